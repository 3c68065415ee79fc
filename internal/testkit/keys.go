package testkit

// Session keys, as SESSION_KEYS has them.
const (
	OldKey = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZCE="
	NewKey = "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldyE="
)
