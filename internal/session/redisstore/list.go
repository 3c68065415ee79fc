package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/patdesk/patdesk/internal/session"
)

// List implements session.Backend. Records of a group are in its index. Those without a group have none, because it
// would be a single key that every sign-in writes: they are searched for, which goes through all of Redis. Nothing in
// patdesk lists those.
func (s *Store) List(ctx context.Context, kind, group string) ([]session.Name, error) {
	sample := session.Key{Kind: kind}.Name()
	sample.Group = group
	if err := sample.Valid(); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if group == "" {
		return s.scan(ctx, kind)
	}
	after := "(" + strconv.FormatInt(s.now().UnixMilli(), 10)
	ids, err := s.client.ZRangeByScore(ctx, s.index(sample), &redis.ZRangeBy{Min: after, Max: "+inf"}).Result()
	if err != nil {
		return nil, absentIsEmpty(failed(err))
	}
	names := make([]session.Name, 0, len(ids))
	for _, id := range ids {
		names = append(names, session.Name{Kind: kind, Group: group, ID: id})
	}
	return names, nil
}

// Describe implements session.Backend. Where the user may not use STRLEN, sizes are unknown and count as nothing.
func (s *Store) Describe(ctx context.Context, kind, group string) ([]session.Stored, error) {
	sample := session.Key{Kind: kind}.Name()
	sample.Group = group
	if err := sample.Valid(); err != nil || group == "" {
		return nil, errors.Join(err, errors.New("redisstore: only records of a group can be described"))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	after := "(" + strconv.FormatInt(s.now().UnixMilli(), 10)
	index, err := s.client.ZRangeByScoreWithScores(ctx, s.index(sample), &redis.ZRangeBy{Min: after, Max: "+inf"}).Result()
	if err != nil || len(index) == 0 {
		return nil, absentIsEmpty(failed(err))
	}
	described := make([]session.Stored, 0, len(index))
	sizes := make([]*redis.IntCmd, 0, len(index))
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, z := range index {
			name := sample
			name.ID, _ = z.Member.(string)
			described = append(described, session.Stored{Name: name, Expires: time.UnixMilli(int64(z.Score))})
			sizes = append(sizes, p.StrLen(ctx, s.key(name)))
		}
		return nil
	})
	if isForbidden(err) {
		s.noSizes.Do(func() {
			s.log.Warn("Redis doesn't let patdesk use STRLEN, so what a person keeps is bounded in number only, not in bytes", "error", err)
		})
		return described, nil
	}
	if err != nil && failed(err) != session.ErrDamaged { //nolint:errorlint // of another type than ours: of size 0
		return nil, failed(err)
	}
	for i, size := range sizes {
		described[i].Size = max(0, int(size.Val())-headSize)
	}
	return described, nil
}

// absentIsEmpty: an index that isn't there, or isn't one, holds nothing.
func absentIsEmpty(err error) error {
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

// glob makes SCAN take a prefix as it is.
var glob = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// scan finds the records of kind without a group. SCAN may name a key twice.
func (s *Store) scan(ctx context.Context, kind string) ([]session.Name, error) {
	prefix := s.prefix + kind + ":"
	var mu sync.Mutex
	found := make(map[session.Name]bool)
	search := func(ctx context.Context, node *redis.Client) error {
		keys := node.Scan(ctx, 0, glob.Replace(prefix)+"*", 1000).Iterator()
		for keys.Next(ctx) {
			id := strings.TrimPrefix(keys.Val(), prefix)
			if b, err := hex.DecodeString(id); err == nil && len(b) == 32 {
				mu.Lock()
				found[session.Name{Kind: kind, ID: id}] = true
				mu.Unlock()
			}
		}
		return keys.Err()
	}
	var err error
	if s.cluster != nil {
		err = s.cluster.ForEachMaster(ctx, search)
	} else if client, ok := s.client.(*redis.Client); ok {
		err = search(ctx, client)
	}
	names := make([]session.Name, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	return names, failed(err)
}
