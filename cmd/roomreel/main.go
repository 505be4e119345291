// Command roomreel keeps the recordings of video rooms and composes them into films.
//
// main.go runs the command that was asked for and exit.go decides its exit code. Each other file holds a command or what
// several commands share: config.go reads the configuration, backend.go opens a node's data, render.go finds the render
// child, room.go reads a manifest. This is the only package that imports all parts of the service.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// commands is the command line. Every command has a Run method beside its flags.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the service."`
	Account accountCommand `cmd:"" help:"Create and list accounts."`
	Key     keyCommand     `cmd:"" help:"Create, list and revoke an account's API keys."`
	Keyring keyringCommand `cmd:"" help:"Replace the key that encrypts the service's secrets."`
	Import  importCommand  `cmd:"" help:"Upload the room of a manifest to a server."`
	Compose composeCommand `cmd:"" help:"Compose the room of a manifest into a film, without a server."`
	Preview previewCommand `cmd:"" help:"Show one frame of a film as an image, without composing the film."`
	Inspect inspectCommand `cmd:"" help:"Say what a recording holds: tracks, sizes, keyframes, gaps and drift."`
	Report  reportCommand  `cmd:"" help:"Print the report of a film for people to read."`
	Decrypt decryptCommand `cmd:"" help:"Open sealed media with a private key."`
	Doctor  doctorCommand  `cmd:"" help:"Check what the service needs on this machine."`
	Config  configCommand  `cmd:"" help:"Show the effective configuration and where each value comes from."`
	Version versionCommand `cmd:"" help:"Print the version."`

	Generate generateCommand `cmd:"" help:"Print a man page or a completion script."`
}

// session is what a command gets besides its flags.
type session struct {
	env            []string // as os.Environ gives it
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs one command and returns its exit code.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var line commands
	var helped *int
	parser := kong.Must(&line,
		kong.Name("roomreel"),
		kong.Description("Keeps the recordings of video rooms and composes them into films.\n\n"+exitCodes),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { helped = &code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&session{env: env, stdin: stdin, stdout: stdout, stderr: stderr}),
	)
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(repeatListFlags(args))
	if helped != nil { // --help has been printed
		return *helped
	}
	if err != nil {
		err = usageError{fmt.Errorf("%w; see `roomreel --help`", err)}
	} else {
		err = chosen.Run()
	}
	if err != nil {
		fmt.Fprint(stderr, message(ctx, err))
	}
	if errors.Is(err, errPartial) {
		return codePartial
	}
	return exitCode(ctx, err)
}

// listFlags take several values after one flag: --audio-sources alice bob is --audio-sources alice --audio-sources bob.
var listFlags = []string{"--audio-sources", "--audio-sources-excluded"}

// repeatListFlags repeats a list flag before each of its values, because the parser takes one value after a flag.
//
// Every word after a value is a value too, so other arguments, such as the room of preview, come before the flag. A value that begins
// with a dash is written --audio-sources=-name.
func repeatListFlags(args []string) []string {
	var result []string
	flag, values := "", 0
	for _, arg := range args {
		switch {
		case slices.Contains(listFlags, arg):
			flag, values = arg, 0
		case strings.HasPrefix(arg, "-"):
			flag = ""
		case flag != "":
			if values > 0 {
				result = append(result, flag)
			}
			values++
		}
		result = append(result, arg)
	}
	return result
}

// version is that of the newest entry of CHANGELOG.md. scripts/dist.sh sets that of a package.
var version = "0.1.0"

type versionCommand struct{}

func (versionCommand) Run(s *session) error {
	commit := "unknown"
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
		_, err := fmt.Fprintf(s.stdout, "roomreel %s, commit %s, %s\n", version, commit, info.GoVersion)
		return err
	}
	_, err := fmt.Fprintf(s.stdout, "roomreel %s\n", version)
	return err
}
