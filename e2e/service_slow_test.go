package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestService_DoesNotWaitForSlowClients opens connections that send a request slowly, as an attacker does who wants to use them all
// up, and checks that each ends and that other clients are served meanwhile.
func TestService_DoesNotWaitForSlowClients(t *testing.T) {
	s := serve(t, t.TempDir(), "--set", "server.body_timeout=1s", "--set", "limits.connections=20", "--set", "limits.sign_in_failures=0")
	q, err := http.NewRequest(http.MethodPost, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(s.account, s.token)
	good := q.Header.Get("Authorization")
	const bad = "Basic QUMxOmd1ZXNz"
	begun := time.Now()
	ended := make(chan string)
	slow := []struct{ authorization, path string }{
		{bad, "/v1/Rooms"}, {bad, "/roomreel/v1/Rooms/a/Recordings"}, {good, "/v1/Rooms"}, {good, "/v1/Compositions"},
	}
	for range 4 {
		for _, request := range slow {
			go func() { ended <- sendSlowly(strings.TrimPrefix(s.url, "http://"), request.path, request.authorization) }()
		}
	}
	for range 10 {
		if status := s.get(t, "/v1/Rooms"); status != http.StatusOK {
			t.Errorf("another client: %d", status)
		}
	}
	for range 4 * len(slow) {
		if problem := <-ended; problem != "" {
			t.Error(problem)
		}
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the connections ended after %v", took)
	}
}

// sendSlowly sends a request whose body takes half an hour, and returns why that is a problem: "" if the server ended it.
func sendSlowly(address, path, authorization string) string {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer connection.Close()
	begun := time.Now()
	connection.SetDeadline(begun.Add(30 * time.Second))
	fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n",
		path, authorization)
	go func() {
		for err := error(nil); err == nil; time.Sleep(20 * time.Millisecond) {
			_, err = connection.Write([]byte("x"))
		}
	}()
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err == nil {
		answer.Body.Close()
		_, err = connection.Read(make([]byte, 1))
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() || err == nil {
		return fmt.Sprintf("%s is open after %v", path, time.Since(begun))
	}
	return ""
}
