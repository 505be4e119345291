# `make help` lists the targets. Each runs one command.

.DEFAULT_GOAL := help
.PHONY: help demo build dist test test-distributions quick lint fuzz e2e bench bench-api tune bench-lists bench-plan fidelity golden run clean

SOURCES := $(shell find cmd internal *.go go.mod go.sum -name '*.go' -o -name 'go.*' -o -name '*.[ch]' -o -name '*.sql' 2>/dev/null)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## install missing packages, make a room, compose it through the API into demo/composition.mp4
	@scripts/setup.sh demo
	@$(MAKE) -q build || echo 'Building: two to three minutes on two cores the first time. The demo itself takes about 30 seconds.'
	@$(MAKE) --no-print-directory build
	go run ./e2e/demo

build: bin/roomreel bin/roomreel-render ## bin/roomreel (pure Go) and bin/roomreel-render (the sandboxed child)

bin/roomreel: $(SOURCES)
	CGO_ENABLED=0 go build -trimpath -o $@ ./cmd/roomreel

bin/roomreel-render: $(SOURCES)
	CGO_ENABLED=1 go build -trimpath -o $@ ./cmd/roomreel-render

test: ## install missing packages, then run lint, all tests, the tests with -race, and every fuzz target
	@scripts/test.sh

dist: ## as root: packages (.deb, .tar.gz) for Debian 12 and 13, amd64 and arm64, in dist/
	@scripts/dist.sh

test-distributions: ## as root: make dist, then test on Debian 12 and 13 with their FFmpeg, and compose with the installed service
	@scripts/test-distributions.sh

quick: build ## run the tests with the installed tools; skip tests whose tools are missing
	go test ./...

lint: ## run gofumpt, vet and staticcheck
	@scripts/lint.sh

fuzz: ## run every fuzz target for 5 s, or for FUZZTIME=1m
	@scripts/fuzz.sh

e2e: build ## run the end-to-end tests only
	go test -count=1 ./e2e/...

bench: ## install missing packages, then measure every goal of docs/performance.md; LONG=1: rooms of 2 h; ROWS=cpu,webm: some rows
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory build
	go run ./bench $(if $(LONG),-long) $(if $(ROWS),-rows '$(ROWS)')

bench-api: ## create, fetch and list compositions over HTTP among 100,000, on both databases, from 8 clients for each core
	go test -run '^$$' -bench API -benchtime 2000x -timeout 60m ./internal/api

tune: ## search for encoder settings: CPU time, bytes and SSIM of candidates, and which are on the Pareto front
	go run ./bench/tune

bench-lists: ## read pages of 1,000 and of 1,000,000 compositions from both databases
	go test -run '^$$' -bench Lists -benchtime 500x -timeout 30m ./internal/store

bench-plan: ## memory and time of planning and of one task, for 5 people in 10 minutes and for 50 in 4 hours
	go test -run '^$$' -bench Task -benchtime 1x -timeout 30m ./internal/compose

RUN ?= .
fidelity: ## measure films as docs/fidelity.md says, which takes more than an hour; or one row of it: make fidelity RUN=TestDTX
	cd e2e/fidelity && ROOMREEL_TEST_FIDELITY=long go test -count=1 -v -parallel 1 -timeout 3h -run '$(RUN)'

golden: ## rewrite the files of golden tests; then read the diff
	@scripts/golden.sh

run: build ## start the service with its defaults: ./data, 127.0.0.1:8080
	bin/roomreel serve

clean: ## remove the binaries and the files of the demo
	rm -rf bin demo dist
