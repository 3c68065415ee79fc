package session

// WithoutSync makes d not wait for the disk, for tests that need very many records.
func WithoutSync(d *Dir) *Dir {
	d.sync = false
	return d
}
