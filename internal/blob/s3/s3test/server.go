// Package s3test runs a real S3 server for tests, and a proxy in front of it that breaks what networks and stores break.
// Start with [Start].
package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"roomreel/internal/blob/s3"
)

// Region is the server's.
const Region = "eu-test-1"

// Server is a running S3 server (versitygw on a folder) with one bucket of its own.
type Server struct {
	Host      string // 127.0.0.1:port; plain http, path style
	Bucket    string
	AccessKey string // may do everything
	SecretKey string
	WriterKey string // another user, who may do nothing but what AllowWriter says
	WriterPw  string
	Folder    string // the buckets' files, one folder each
	Admin     *minio.Client
}

// Start runs a server until the test ends. Where it cannot be built, the test is skipped, or fails when
// ROOMREEL_TEST_REQUIRE names s3.
func Start(t testing.TB) *Server { return StartIn(t, t.TempDir()) }

// StartIn is Start with the folder that holds the buckets, for servers on a disk of a certain kind.
func StartIn(t testing.TB, folder string) *Server {
	t.Helper()
	program := program(t)
	s := &Server{
		Bucket: "bucket-" + strings.ToLower(rand.Text()[:10]), Folder: folder,
		AccessKey: rand.Text()[:20], SecretKey: rand.Text() + rand.Text(),
		WriterKey: rand.Text()[:20], WriterPw: rand.Text() + rand.Text(),
	}
	users := t.TempDir()
	list, err := json.Marshal(map[string]any{"accessAccounts": map[string]any{
		s.WriterKey: map[string]any{"access": s.WriterKey, "secret": s.WriterPw, "role": "user"},
	}})
	if err == nil {
		err = os.WriteFile(filepath.Join(users, "users.json"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Another process may take the free port between asking for it and using it.
	for range 5 {
		if s.run(t, program, users) {
			s.makeBucket(t)
			return s
		}
	}
	t.Fatal("s3test: the server did not start")
	return nil
}

var build = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "../../../../tools/s3server/build.sh")
	var errors bytes.Buffer
	cmd := exec.Command(script)
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, errors.String())
	}
	return strings.TrimSpace(string(out)), nil
})

func program(t testing.TB) string {
	path, err := build()
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("ROOMREEL_TEST_REQUIRE"), ","), "s3") {
		t.Fatalf("s3test: build the S3 server: %v", err)
	}
	t.Skipf("no S3 server here: %v", err)
	return ""
}

func (s *Server) run(t testing.TB, program, users string) bool {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Host = l.Addr().String()
	l.Close()
	var log bytes.Buffer
	cmd := exec.Command(program, "--port", s.Host, "--region", Region, "--iam-dir", users, "--quiet", "--keep-alive",
		"--disable-strict-bucket-names", "posix", s.Folder)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("s3test: start the S3 server: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	late := time.After(30 * time.Second)
	for {
		c, err := net.Dial("tcp", s.Host)
		if err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			t.Logf("s3test: the S3 server ended: %s", log.String())
			return false
		case <-late:
			t.Fatal("s3test: the S3 server does not answer")
		case <-retry.C:
		}
	}
}

func (s *Server) makeBucket(t testing.TB) {
	t.Helper()
	var err error
	s.Admin, err = minio.New(s.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: Region, BucketLookup: minio.BucketLookupPath,
	})
	if err == nil {
		err = s.Admin.MakeBucket(t.Context(), s.Bucket, minio.MakeBucketOptions{})
	}
	if err != nil {
		t.Fatalf("s3test: make a bucket: %v", err)
	}
}

// AllowWriter lets the second user do these things and no others, as a bucket policy says them: "s3:PutObject".
func (s *Server) AllowWriter(t testing.TB, actions ...string) {
	t.Helper()
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": []string{s.WriterKey}}, "Action": actions,
		"Resource": []string{"arn:aws:s3:::" + s.Bucket, "arn:aws:s3:::" + s.Bucket + "/*"},
	}}})
	if err == nil {
		err = s.Admin.SetBucketPolicy(t.Context(), s.Bucket, string(policy))
	}
	if err != nil {
		t.Fatalf("s3test: set the bucket's policy: %v", err)
	}
}

// Endpoint is how a configuration names the server.
func (s *Server) Endpoint() s3.Endpoint { return EndpointAt(s.Host) }

// EndpointAt is how a configuration names the server behind a proxy at host.
func EndpointAt(host string) s3.Endpoint {
	return s3.Endpoint{Host: host, Region: Region, PathStyle: true, Insecure: true}
}

// URL names the bucket, or a folder in it, as a customer does.
func (s *Server) URL(folder string) string { return "http://" + s.Host + "/" + s.Bucket + "/" + folder }

// Config opens the bucket with all rights at host, which is the server's or a proxy's.
func (s *Server) Config(t testing.TB, host, folder string) s3.Config {
	t.Helper()
	target, err := s3.ParseURL("http://"+host+"/"+s.Bucket+"/"+folder, s3.Endpoints{Allowed: []s3.Endpoint{EndpointAt(host)}})
	if err != nil {
		t.Fatal(err)
	}
	return s3.Config{Target: target, AccessKey: s.AccessKey, SecretKey: s.SecretKey}
}

// Open opens the store of config until the test ends.
func Open(t testing.TB, config s3.Config) *s3.Store {
	t.Helper()
	store, err := s3.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// Unfinished lists the keys of multipart uploads that were begun and neither joined nor aborted.
func (s *Server) Unfinished(t testing.TB) []string {
	t.Helper()
	var keys []string
	// The test's own context may have ended the upload that is asked about.
	for u := range s.Admin.ListIncompleteUploads(context.WithoutCancel(t.Context()), s.Bucket, "", true) {
		if u.Err != nil {
			t.Fatalf("s3test: list unfinished uploads: %v", u.Err)
		}
		keys = append(keys, u.Key)
	}
	return keys
}
