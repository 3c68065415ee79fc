//go:build !linux

package session

func readAtOnce(string, string, int) ([]byte, error) { return nil, errLookCloser }
