package api

import linked "container/list"

// lru is a table of bounded size. When it is full, the entry is removed that was not touched for the longest time.
type lru[K comparable, V any] struct {
	most   int
	recent *linked.List // of entry, the latest first
	byKey  map[K]*linked.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) *lru[K, V] {
	return &lru[K, V]{most: most, recent: linked.New(), byKey: map[K]*linked.Element{}}
}

// get returns the value of key without touching it.
func (l *lru[K, V]) get(key K) (value V, found bool) {
	if element := l.byKey[key]; element != nil {
		return element.Value.(entry[K, V]).value, true
	}
	return value, false
}

// put sets the value of key and touches it.
func (l *lru[K, V]) put(key K, value V) {
	l.remove(key)
	l.byKey[key] = l.recent.PushFront(entry[K, V]{key, value})
	if l.recent.Len() > l.most {
		l.remove(l.recent.Back().Value.(entry[K, V]).key)
	}
}

func (l *lru[K, V]) remove(key K) {
	if element := l.byKey[key]; element != nil {
		l.recent.Remove(element)
		delete(l.byKey, key)
	}
}

func (l *lru[K, V]) len() int { return l.recent.Len() }
