package redisstore

import (
	"context"
	"fmt"

	"github.com/patdesk/patdesk/internal/session"
)

// manyRecords and manyBytes bound what one call of ReadMany asks of Redis, which serves no other client meanwhile, and
// has in memory: manyBytes and one record more.
const (
	manyRecords = 1000
	manyBytes   = 2 << 20
)

// ReadMany implements session.Backend.
func (s *Store) ReadMany(ctx context.Context, names []session.Name, f func(i int, value []byte, err error) error) error {
	if err := session.SameGroup(names); err != nil {
		return err
	}
	for read := 0; read < len(names); {
		answers, err := s.readSome(ctx, names[read:])
		if err != nil {
			return err
		}
		for i, answer := range answers {
			value, err := s.openAnswer(answer)
			if err := f(read+i, value, err); err != nil {
				return err
			}
		}
		read += len(answers)
	}
	return nil
}

// readSome reads the first of names, as many as one call may.
func (s *Store) readSome(ctx context.Context, names []session.Name) ([]any, error) {
	most := manyRecords
	if s.cluster != nil && names[0].Group == "" {
		most = 1 // each in a slot of its own
	}
	keys := make([]string, 0, min(most, len(names)))
	for _, name := range names[:min(most, len(names))] {
		keys = append(keys, s.key(name))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	answers, err := s.client.Eval(ctx, manyScript, keys, manyBytes).Slice()
	if err != nil {
		return nil, failed(err)
	}
	if len(answers) == 0 || len(answers) > len(keys) {
		return nil, fmt.Errorf("%w: a script answered something else", session.ErrUnavailable)
	}
	return answers, nil
}

// openAnswer is one of manyScript's answers as Read would return it.
func (s *Store) openAnswer(answer any) ([]byte, error) {
	switch b := answer.(type) {
	case nil:
		return nil, session.ErrNotFound
	case string:
		value, _, err := s.open([]byte(b))
		return value, err
	}
	return nil, session.ErrDamaged
}
