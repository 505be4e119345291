// Package objectkey names the objects of the media store, the working store and customers' buckets.
//
// In our own stores a key is used for one attempt to store an object: it carries the attempt, so a late attempt never
// replaces or deletes what another one stored. Keys are written to the database before their objects are stored, and are
// never computed again. In a customer's bucket a key is computed from a template, and a second attempt replaces the first.
package objectkey

import (
	"crypto/rand"
	"strconv"
	"strings"

	"roomreel"
)

// Media returns a new key in the media store, or of a working copy in the working store, for the media of a recording or
// composition: AC…/RT….<attempt>.mkv.
func Media[S roomreel.RecordingSID | roomreel.CompositionSID](account roomreel.AccountSID, sid S, extension string) string {
	return string(account) + "/" + string(sid) + "." + attempt() + "." + extension
}

// Index returns a new key in the media store for the packet index of a recording: AC…/RT….<attempt>.index.
func Index(account roomreel.AccountSID, sid roomreel.RecordingSID) string {
	return Media(account, sid, "index")
}

// Working returns the key in the working store for what the given attempt at a task of a composition stores under name:
// AC…/CJ…/<name>.<attempt>. The attempt is the number of the task's lease, which no two attempts share.
func Working(account roomreel.AccountSID, sid roomreel.CompositionSID, name string, lease int) string {
	return working(account, sid, name, strconv.Itoa(lease))
}

// NewWorking returns a new key in the working store for what a composition's job stores under name without a lease.
func NewWorking(account roomreel.AccountSID, sid roomreel.CompositionSID, name string) string {
	return working(account, sid, name, attempt())
}

func working(account roomreel.AccountSID, sid roomreel.CompositionSID, name, attempt string) string {
	return string(account) + "/" + string(sid) + "/" + name + "." + attempt
}

// attempt returns 80 random bits: enough that no two attempts at the same resource get the same.
func attempt() string { return strings.ToLower(rand.Text()[:16]) }

// DefaultTemplate is the template of keys in customers' buckets, below the folder that the customer names.
const DefaultTemplate = "{account}/{sid}.{ext}"

// InBucket returns the key of media in a customer's bucket: the template, or DefaultTemplate when it is "", with {account},
// {sid} and {ext} filled in.
func InBucket(template string, account roomreel.AccountSID, sid, extension string) string {
	if template == "" {
		template = DefaultTemplate
	}
	return strings.NewReplacer("{account}", string(account), "{sid}", sid, "{ext}", extension).Replace(template)
}
