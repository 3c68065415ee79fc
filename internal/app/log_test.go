package app

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/testkit"
)

// What a server sends unasked on a connection that is kept, net/http writes to the standard logger. Of that the log has
// only that it happened.
func TestLibrariesQuoteNothing(t *testing.T) { // not beside other tests: there is one standard logger
	log := &testkit.Log{}
	recordLibraries(slog.New(slog.NewTextHandler(log, nil)))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	unasked := make(chan struct{})
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		<-unasked
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: \"CANARY\"\r\n\r\n")
	}()
	api := azuredevops.New(azuredevops.Options{Endpoint: "http://" + listener.Addr().String()})
	_, err = api.As("mona", func(context.Context) (string, error) { return "bearer", nil }).List(t.Context(), "contoso", azuredevops.Active)
	if err == nil {
		t.Fatal("an empty object is a list")
	}
	close(unasked)
	if !testkit.Within(10*time.Second, func() bool { return strings.Contains(log.String(), "Unsolicited response") }) {
		t.Fatal("it isn't recorded")
	}
	if text := log.String(); strings.Contains(text, "CANARY") || strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") {
		t.Error(text)
	}
}
