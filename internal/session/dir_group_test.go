package session_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

const groupRecords = 40

func groupName(i int) session.Name {
	return session.Key{Kind: "note", Group: "g" + fmt.Sprint(i%2), ID: fmt.Sprint(i)}.Name()
}

// useGroupFolder reads, changes and locks what the one before has written, or writes it.
func useGroupFolder(dir string) error {
	d, err := session.OpenGroupDir(dir, time.Now)
	if err != nil {
		return err
	}
	ctx, expires := context.Background(), time.Now().Add(time.Hour)
	found := 0
	for i := range groupRecords {
		name := groupName(i)
		release, err := d.Lock(ctx, name)
		if err != nil {
			return fmt.Errorf("locking: %w", err)
		}
		_, version, err := d.Read(ctx, name)
		switch {
		case errors.Is(err, session.ErrNotFound):
			err = d.Create(ctx, name, []byte("one"), expires)
		case err == nil && i%2 == 0:
			found++
			err = d.Update(ctx, name, version, []byte("two"), expires)
		case err == nil:
			found++
			_, err = d.Take(ctx, name)
		}
		release()
		if err != nil {
			return err
		}
	}
	_, err = d.Sweep(ctx, time.Now())
	fmt.Print(found)
	return errors.Join(err, d.Ping(ctx))
}
