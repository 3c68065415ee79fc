# "make" alone lists what can be done. All but "make test" and those that say so need only Go, git and make.

.DEFAULT_GOAL := help
SHELL := /bin/bash

# What -version says: a release's tag, or the commit.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Start with simulated services on http://localhost:5000; nothing real is touched
	go run . -demo

.PHONY: run
run: ## Start with the settings in .env and the environment
	go run .

.PHONY: check
check: ## Say what is wrong with the settings
	go run . -check

# Vetting is a step of its own, and without tables for debuggers (-s) linking takes a third less.
QUICKLY = -vet=off -ldflags=-s

# Needs nothing installed beside Go. Tests that start servers or take seconds are left to "make test", and most of the whole program.
QUICK_LEAVES_OUT = ^(TestCampaign|TestPendingFarAway|TestSecretSurvives.*|TestKilled.*|TestMany.*|TestLostCreationAmong.*|TestLargestPlan|TestOneLookForAll|TestBatch(Of|Lists|With|Into|Waits|Gives).*|TestDeathOn.*|TestPendingReads.*|TestLooking.*|TestRevoke(AtATime|sAlways.*)|TestSweepDelays.*|TestDir.*|TestNoTornReads|TestProcessBound|TestListTooLarge|TestMemory.*|TestOneUserHoldsUp.*|TestFailuresAreForgotten|TestSlotsAreReleased|TestFaultsOfAzureDevOps|TestShortTokens|TestBackOff.*|TestCredentialFrom.*|TestKeyVaultAtStart|TestExitCodes|TestGuessesAreLimited|TestRedirectPathAmong.*)$$
# As the program is compiled that "make test" runs, and that is released: what was compiled for the one serves the other.
AS_RELEASED = CGO_ENABLED=0 GOFLAGS=-trimpath
.PHONY: quick
quick: ## After each edit: formatting, vet, unit tests and a short run of the whole program, in half a minute
	@unformatted=$$(gofmt -l .); \
		if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(AS_RELEASED) go vet ./...
	@$(AS_RELEASED) go test $(QUICKLY) -skip '$(QUICK_LEAVES_OUT)' $$(go list ./... | grep -v -e /test/ -e /deploy -e /redisstore -e /preflight) | grep -v 'no test files'; exit $${PIPESTATUS[0]}
	$(AS_RELEASED) go test $(QUICKLY) -run '^(TestMainJob|TestList|TestRotateAtOnce|TestBulkRotate|TestOverviewShowsAllOrganizations)$$' ./test/features


# Without checks of pointers, which take an eighth: no code here makes any of its own.
WATCH = -race -gcflags=all=-d=checkptr=0

# A program with the race detector would sleep for a second before it ends, which adds up: tests start some hundred of
# them. Collecting garbage less often takes a tenth off. What stands in the environment goes before both.
WATCHED = GORACE=$(or $(GORACE),atexit_sleep_ms=0) GOGC=$(or $(GOGC),400) go test $(WATCH) $(QUICKLY) -timeout 20m

# Compiling comes first, as it can use every core. Then two packages at a time, so that one works while the other one is
# linked, or waits. Those that take longest begin, so that the other core has something to do until the end. Where everything
# is tried those of the whole program go one by one, as some say how long somebody waits.
WHOLE = $(addprefix ./test/,browser guarantees features security proxies)
LARGE = $(addprefix ./internal/,operation session session/redisstore azuredevops entra simulator)
.PHONY: test test-long
test: ## Run all tests with the race detector; as root it installs what they need, else it says what is missing
	@scripts/test-deps
	@go list $(WATCH) -export -test ./... >/dev/null
	$(WATCHED) -p 2 $(WHOLE) $(LARGE) ./...

test-long: export PATDESK_LONG = 1
test-long: ## The same with everything that "make test" tries samples of, others each day; PATDESK_SAMPLE=… picks them
	@scripts/test-deps
	@go list $(WATCH) -export -test ./... >/dev/null
	$(WATCHED) -p 1 $(WHOLE); parts=$$?; \
		$(WATCHED) -p 2 $(LARGE) $$(go list ./... | grep -v $(patsubst ./%,-e /%$$,$(WHOLE))) && exit $$parts

.PHONY: soak
soak: ## Run 2,000 rounds of changes under random faults, lags and kills, in ten minutes; ROUNDS=… SEED=… ROUND=… replay
	PATDESK_ROUNDS=$(or $(ROUNDS),2000) PATDESK_SEED=$(SEED) PATDESK_ROUND=$(ROUND) \
		go test -count=1 -timeout 60m -parallel 12 -v -run '^TestCampaign$$' ./test/guarantees ./internal/operation

.PHONY: rolling
rolling: ## Restart two replicas under 300 requests per second behind HAProxy, Caddy and nginx, and count what fails
	@scripts/test-deps
	go test -count=1 -timeout 10m -v -run TestRollingRestart ./test/proxies -rolling

.PHONY: gallery
gallery: ## Take pictures of every page in every state into ./gallery, in each language and window, and check them all with axe
	@scripts/test-deps
	go test -count=1 -timeout 60m -run TestGallery ./test/browser -gallery "$(CURDIR)/gallery"

.PHONY: lighthouse
lighthouse: ## Let Lighthouse judge the main pages; less than 100 fails. Needs npm. Reports go to ./lighthouse
	@scripts/test-deps
	@scripts/tool lighthouse >/dev/null
	@mkdir -p lighthouse
	go test -count=1 -timeout 20m -v -run TestLighthouse ./test/browser -lighthouse "$(CURDIR)/lighthouse"

.PHONY: pages
pages: ## Write the HTML of every page in every state into ./pages, to compare two versions with diff -r
	go test -count=1 -run TestWritePages ./templates -pages "$(CURDIR)/pages"

.PHONY: lint
lint: ## Run gofmt, go vet, staticcheck, golangci-lint, actionlint and govulncheck, built here where missing
	@unformatted=$$(gofmt -l .); \
		if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	"$$(scripts/tool staticcheck)" ./...
	"$$(scripts/tool golangci-lint)" run ./...
	"$$(scripts/tool actionlint)"
	@scripts/vulncheck

.PHONY: later
later: ## Run the tests as on a later day, DAYS=3 from now: what a date breaks in them shows before it comes
	@scripts/later

.PHONY: fuzz
fuzz: ## Run every fuzz target for 30s; FUZZTIME=5m for longer
	@scripts/fuzz

.PHONY: bench
bench: ## Load the released program beside a bare proxy, and print what pages cost as ratios; LASTS=10s for longer
	@scripts/test-deps
	go test -count=1 -timeout 60m -v -run 'TestLoad|TestStart|TestGrowth|TestOverviewOfTen|TestTenThousand|TestManySignIns|TestHeldUp' ./test/bench -load $(if $(LASTS),-lasts $(LASTS))

.PHONY: bench-record
bench-record: ## Record what pages allocate and how large they are, which "make test" holds against
	go test -count=1 -run TestPagesCost ./test/bench -record

.PHONY: benchmarks
benchmarks: ## Run Go's benchmarks, in the form that benchstat compares
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: build
build: ## Build the static binary ./patdesk, as the container image does; VERSION=v1.2.3 stamps it
	VERSION=$(VERSION) REVISION=$(REVISION) scripts/build patdesk

.PHONY: release
release: ## Make archives, packages, chart, SBOMs and checksums of VERSION=v1.2.3 in ./dist; docs/releasing.md has more
	VERSION=$(VERSION) scripts/release

.PHONY: release-test
release-test: ## Make a release for this machine in a temporary folder and look into it; install its deb into a folder
	@scripts/tool nfpm >/dev/null && scripts/tool helm >/dev/null
	go test -count=1 -timeout 30m -v -run TestRelease ./deploy -release

# What is released for other systems than Linux on amd64, on which the tests run.
OTHERS = linux/arm64 linux/arm darwin/arm64 windows/amd64
.PHONY: vet-others
vet-others: ## Vet program and tests for the other systems that releases are for, on which nothing is run
	@for system in $(OTHERS); do echo "$$system"; CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./... || exit 1; done

.PHONY: clean
clean: ## Remove what was built here; settings and sessions stay
	rm -rf patdesk .bin gallery lighthouse dist pages
