package s3

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"roomreel/internal/blob"
)

// Endpoint is a store that the operator allows: another than Amazon's, or one at a private address.
type Endpoint struct {
	Host       string // host, or host:port, without bucket
	Region     string // "" to ask the store for it, or us-east-1 when it does not answer
	PathStyle  bool   // speak to it in path style, whatever the form of a customer's URL
	Insecure   bool   // http instead of https: for a store on the same machine
	CA         []byte // PEM certificates to trust instead of the system's
	OpaqueETag bool   // its ETags are not MD5 sums
	Public     string // scheme://host[:port] under which customers reach it, for signed URLs; "" when it is Host
	NoPresign  bool   // customers do not reach it: the service serves its objects itself
}

// Endpoints are the stores that URLs may name.
type Endpoints struct {
	NoAmazon bool // refuse Amazon S3
	Allowed  []Endpoint
}

// Target is a bucket at an address, or a prefix in it. ParseURL makes it.
type Target struct {
	Endpoint
	Bucket  string
	Prefix  string // without slashes at its ends; "" for the whole bucket
	Trusted bool   // configured by the operator: may be on a private network and any port
	base    string // of object URLs: everything before the key, as the customer wrote it
}

const (
	maxPrefix = 200 // bytes: with blob.MaxKey it stays below the 1024 of S3
	maxURL    = 2000
)

var (
	// Source: docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
	bucketForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{1,61})[a-z0-9]$`)
	regionForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

	// bucket.s3.amazonaws.com, bucket.s3-REGION., bucket.s3.REGION., with and without a bucket, in China with .cn.
	amazonForm = regexp.MustCompile(`^(?:(.+)\.)?s3(?:[.-](?:dualstack\.)?([a-z0-9-]+))?\.amazonaws\.com(\.cn)?$`)
)

// ParseURL reads a bucket's URL as a customer writes it, and refuses those that the configuration does not allow:
//
//	https://bucket.s3.amazonaws.com/prefix            the region is asked for
//	https://bucket.s3.REGION.amazonaws.com/prefix     or s3-REGION, or s3.dualstack.REGION
//	https://s3.REGION.amazonaws.com/bucket/prefix     path style
//	https://bucket/prefix                             Amazon, as in Twilio's field documentation
//	https://bucket.ENDPOINT/prefix, https://ENDPOINT/bucket/prefix
//
// The error is a *blob.PermanentError of kind BadURL whose text may be shown to the customer.
func ParseURL(text string, endpoints Endpoints) (Target, error) {
	t, err := parseURL(text, endpoints)
	if err != nil {
		return Target{}, &blob.PermanentError{Kind: blob.BadURL, Err: err}
	}
	return t, nil
}

// ParseOwnURL reads the URL of the service's own bucket. Besides the forms of ParseURL it takes s3://bucket/prefix, which is
// Amazon's. The address comes from the operator, so it may be on a private network.
func ParseOwnURL(text string, endpoints Endpoints) (Target, error) {
	if rest, ok := strings.CutPrefix(text, "s3://"); ok {
		bucket, prefix, _ := strings.Cut(rest, "/")
		if err := checkBucket(bucket); err != nil {
			return Target{}, err
		}
		host := bucket + ".s3.amazonaws.com"
		if strings.Contains(bucket, ".") { // a certificate for *.host does not cover a bucket with dots
			host = "s3.amazonaws.com/" + bucket
		}
		text = "https://" + host + "/" + prefix
	}
	endpoints.NoAmazon = false
	t, err := ParseURL(text, endpoints)
	t.Trusted = true
	return t, err
}

func parseURL(text string, endpoints Endpoints) (Target, error) {
	if len(text) > maxURL {
		return Target{}, fmt.Errorf("the URL is longer than %d characters", maxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return Target{}, errors.New("it is not a URL like https://bucket.s3.region.amazonaws.com/folder")
	case u.Scheme != "https" && u.Scheme != "http":
		return Target{}, errors.New("the URL has to start with https://")
	case u.User != nil:
		return Target{}, errors.New("the URL holds a user name; credentials belong into a credential resource")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Target{}, errors.New("the URL holds a query or a fragment; only a bucket and a folder can be named")
	}
	host, path := strings.ToLower(u.Host), strings.Trim(u.Path, "/")

	target, path, err := locate(host, path, endpoints)
	if err != nil {
		return Target{}, err
	}
	if u.Scheme == "http" && !target.Insecure {
		return Target{}, errors.New("the URL has to start with https://")
	}
	if err := checkBucket(target.Bucket); err != nil {
		return Target{}, err
	}
	if !target.PathStyle && !target.Insecure && strings.Contains(target.Bucket, ".") {
		target.PathStyle = true // a certificate for *.host does not cover a bucket with dots
	}
	if err := checkPrefix(path); err != nil {
		return Target{}, err
	}
	target.Prefix = path
	return target, nil
}

// locate finds the store and the bucket that host names. It returns what is left of path.
func locate(host, path string, endpoints Endpoints) (Target, string, error) {
	for _, e := range endpoints.Allowed {
		scheme := "https"
		if e.Insecure {
			scheme = "http"
		}
		at := withoutPort(strings.ToLower(e.Host), scheme)
		asked := withoutPort(host, scheme)
		t := Target{Endpoint: e, Trusted: true}
		if asked == at {
			t.PathStyle = true
			t.Bucket, path, _ = strings.Cut(path, "/")
			t.base = scheme + "://" + host + "/" + t.Bucket
			return t, path, nil
		}
		if bucket, ok := strings.CutSuffix(asked, "."+at); ok {
			t.Bucket = bucket
			t.base = scheme + "://" + host
			return t, path, nil
		}
	}
	host = withoutPort(host, "https")
	if m := amazonForm.FindStringSubmatch(host); m != nil && !endpoints.NoAmazon {
		return amazon(m[1], m[2], m[3], host, path)
	}
	if bucketForm.MatchString(host) && !strings.Contains(host, ".") && !endpoints.NoAmazon && host != "localhost" {
		return amazon(host, "", "", host+".s3.amazonaws.com", path)
	}
	return Target{}, "", fmt.Errorf("this server does not allow the store %s", host)
}

// amazon is the target of the parts of a host name of Amazon's.
func amazon(bucket, region, china, host, path string) (Target, string, error) {
	switch {
	case strings.HasPrefix(region, "website") || region == "accelerate" || region == "control" || region == "fips":
		return Target{}, "", fmt.Errorf("%s is not an address to store at; use https://bucket.s3.region.amazonaws.com", host)
	case region == "external-1":
		region = "us-east-1" // an old name
	case region == "" && china != "":
		return Target{}, "", errors.New("an address in China has to name its region: https://bucket.s3.region.amazonaws.com.cn")
	}
	t := Target{Bucket: bucket, base: "https://" + host}
	t.Host = "amazonaws.com" + china
	t.Region = region
	if bucket == "" {
		t.PathStyle = true
		t.Bucket, path, _ = strings.Cut(path, "/")
		t.base += "/" + t.Bucket
	}
	return t, path, nil
}

func (t Target) amazon() bool { return t.Host == "amazonaws.com" || t.Host == "amazonaws.com.cn" }

// host is where requests go, without bucket.
func (t Target) host(region string) string {
	if t.amazon() {
		return "s3." + region + "." + t.Host
	}
	return t.Host
}

func (t Target) join(key string) string {
	if t.Prefix == "" {
		return key
	}
	return t.Prefix + "/" + key
}

// ObjectURL is the URL of the object under key, in the form in which the customer named the bucket. It is sent as
// media_external_location. It is not signed, so the bucket's policy decides who may open it.
func (t Target) ObjectURL(key string) string {
	var b strings.Builder
	b.WriteString(t.base)
	for _, element := range strings.Split(t.join(key), "/") {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(element))
	}
	return b.String()
}

func checkBucket(name string) error {
	switch {
	case name == "":
		return errors.New("the URL names no bucket")
	case !bucketForm.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, ".-") || strings.Contains(name, "-."):
		return fmt.Errorf("%q cannot be a bucket: 3 to 63 lower-case letters, digits, hyphens and dots, as in a host name", name)
	case net.ParseIP(name) != nil:
		return fmt.Errorf("%q cannot be a bucket: it is an IP address", name)
	}
	return nil
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > maxPrefix {
		return fmt.Errorf("the folder is longer than %d bytes", maxPrefix)
	}
	if err := blob.CheckKey(prefix); err != nil {
		return errors.New("the folder has empty, . or .. elements, control characters, or starts with a dot")
	}
	return nil
}

// withoutPort removes the default port of the scheme.
func withoutPort(host, scheme string) string {
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	return strings.TrimSuffix(host, port)
}
