package session

// WithoutSync makes d not wait for the disk, for tests that need very many records.
func WithoutSync(d *Dir) *Dir {
	d.sync = false
	return d
}

// StoredForms are what this package stores, by kind.
func StoredForms() map[string]any {
	return map[string]any{
		"session": &record{}, presenceKind: &presence{}, "tokens": &tokenRecord{}, attemptKind: &browserValue{}, draftKind: &browserValue{},
	}
}

// Size is how many bytes of values are kept.
func (c *Cache[T]) Size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
