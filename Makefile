# A menu: `make help` lists it. Every dish is one command that can be read.

.DEFAULT_GOAL := help
.PHONY: help demo build test quick lint fuzz e2e bench bench-lists golden run clean

SOURCES := $(shell find cmd internal *.go go.mod go.sum -name '*.go' -o -name 'go.*' -o -name '*.[ch]' -o -name '*.sql' 2>/dev/null)

help: ## show this menu
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## install what is missing, make a room, compose it through the API: demo/composition.mp4
	@scripts/setup.sh demo
	@$(MAKE) --no-print-directory build
	go run ./e2e/demo

build: bin/roomreel bin/roomreel-render ## bin/roomreel (pure Go) and bin/roomreel-render (the sandboxed child)

bin/roomreel: $(SOURCES)
	CGO_ENABLED=0 go build -trimpath -o $@ ./cmd/roomreel

bin/roomreel-render: $(SOURCES)
	CGO_ENABLED=1 go build -trimpath -o $@ ./cmd/roomreel-render

test: ## install what is missing, then everything: lint, all tests with and without -race, fuzz, end to end
	@scripts/test.sh

quick: build ## the tests alone, with what is installed
	go test ./...

lint: ## gofumpt, vet and staticcheck
	@scripts/lint.sh

fuzz: ## a turn of every fuzz target; FUZZTIME=1m for a longer one
	@scripts/fuzz.sh

e2e: build ## the whole program only
	go test -count=1 ./e2e/...

bench: build ## the reference room against the ffmpeg command by hand, in turns
	go run ./bench

bench-lists: ## pages of lists of a thousand and of a million compositions, on both databases
	go test -run '^$$' -bench Lists -benchtime 500x -timeout 30m ./internal/store

golden: ## rewrite the files that golden tests compare with; then read the diff
	@scripts/golden.sh

run: build ## the service with its defaults: ./data, 127.0.0.1:8080
	bin/roomreel serve

clean: ## remove what was built and what the demo made
	rm -rf bin demo
