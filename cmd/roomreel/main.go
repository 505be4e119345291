// Command roomreel keeps the recordings of video rooms and composes them into films.
//
// One file holds one command; main.go runs the one that was asked for, exit.go says with which code it ends. This is the
// only place where the parts of the service meet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// commands is the command line. Every command has a Run method beside its flags.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the service."`
	Account accountCommand `cmd:"" help:"Create and list accounts."`
	Key     keyCommand     `cmd:"" help:"Create, list and revoke an account's API keys."`
	Keyring keyringCommand `cmd:"" help:"Replace the key that secrets are kept under."`
	Import  importCommand  `cmd:"" help:"Upload the room of a manifest to a server."`
	Compose composeCommand `cmd:"" help:"Compose the room of a manifest into a film, without a server."`
	Decrypt decryptCommand `cmd:"" help:"Open sealed media with a private key."`
	Doctor  doctorCommand  `cmd:"" help:"Say what is there and what is missing."`
	Config  configCommand  `cmd:"" help:"Show the effective configuration and where each value comes from."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// session is what a command may touch besides its flags.
type session struct {
	env            []string // as os.Environ gives it
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs one command and returns the exit code. Nothing else in the program ends it.
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
	chosen, err := parser.Parse(spread(args))
	if helped != nil { // --help has been printed
		return *helped
	}
	if err != nil {
		err = usageError{fmt.Errorf("%w; see `roomreel --help`", err)}
	} else {
		err = chosen.Run()
	}
	if err != nil {
		fmt.Fprint(stderr, words(ctx, err))
	}
	if errors.Is(err, errPartial) {
		return codePartial
	}
	return exitCode(ctx, err)
}
