package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/patdesk/patdesk/internal/session"
)

// List implements session.Backend.
func (s *Store) List(ctx context.Context, kind, group string) ([]session.Name, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	listed, err := s.listed(ctx, kind, group)
	names := make([]session.Name, 0, len(listed))
	for _, record := range listed {
		names = append(names, record.Name)
	}
	return names, err
}

// listed is what the index says of kind and group. One that isn't there, or isn't an index, holds nothing.
func (s *Store) listed(ctx context.Context, kind, group string) ([]session.Stored, error) {
	if err := session.ValidGroup(kind, group); err != nil {
		return nil, err
	}
	after := "(" + strconv.FormatInt(s.now().UnixMilli(), 10)
	index := s.index(session.Name{Kind: kind, Group: group})
	found, err := s.client.ZRangeByScoreWithScores(ctx, index, &redis.ZRangeBy{Min: after, Max: "+inf"}).Result()
	if err = failed(err); errors.Is(err, session.ErrNotFound) {
		return nil, nil
	}
	listed := make([]session.Stored, 0, len(found))
	for _, z := range found {
		id, _ := z.Member.(string)
		listed = append(listed, session.Stored{Name: session.Name{Kind: kind, Group: group, ID: id}, Expires: time.UnixMilli(int64(z.Score))})
	}
	return listed, err
}

// Describe implements session.Backend. Where the user may not use STRLEN, sizes are unknown and count as nothing.
func (s *Store) Describe(ctx context.Context, kind, group string) ([]session.Stored, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	described, err := s.listed(ctx, kind, group)
	if err != nil || len(described) == 0 {
		return nil, err
	}
	sizes := make([]*redis.IntCmd, 0, len(described))
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, record := range described {
			sizes = append(sizes, p.StrLen(ctx, s.key(record.Name)))
		}
		return nil
	})
	if isForbidden(err) {
		s.noSizes.Do(func() {
			s.log.Warn("Redis doesn't let patdesk use STRLEN, so what a person keeps is bounded in number only, not in bytes", "error", err)
		})
		return described, nil
	}
	if err = failed(err); err != nil && !errors.Is(err, session.ErrDamaged) { // of another type than ours: of size 0
		return nil, err
	}
	for i, size := range sizes {
		described[i].Size = max(0, int(size.Val())-headSize)
	}
	return described, nil
}
