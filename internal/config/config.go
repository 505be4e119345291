// Package config holds the settings of an operator: one struct, read once at start and not changed afterwards.
//
// Values come from four sources: the built-in default, roomreel.toml, the environment (ROOMREEL_SECTION_KEY) and the
// command line. A later source overrides an earlier one. An unknown key is refused, and the error names the nearest known
// key. All mistakes are reported together. Start with [Config], then [Load].
package config

import (
	"net"
	"net/netip"
	"time"

	"roomreel"
)

// Config holds every setting. The key of a setting is the toml tags of its section and field, joined by a dot. The help tag
// is what `roomreel config --describe` prints. Units are in the types.
type Config struct {
	Server     Server     `toml:"server"`
	Database   Database   `toml:"database"`
	Media      MediaStore `toml:"vault"`
	Render     Render     `toml:"render"`
	Compose    Compose    `toml:"compose"`
	Webhook    Webhook    `toml:"webhook"`
	S3         S3         `toml:"s3"`
	Encryption Encryption `toml:"encryption"`
	Limits     Limits     `toml:"limits"`
	Retention  Retention  `toml:"retention"`
	Log        Log        `toml:"log"`
}

// Server is how the service is reached.
type Server struct {
	Data           string   `toml:"data" help:"folder of everything this node keeps: the SQLite database, the media store, keys, scratch files"`
	Listen         string   `toml:"listen" help:"address and port to listen on; port 0 takes a free one"`
	Role           Role     `toml:"role" help:"what this node does: all, api (answers requests) or worker (makes films); api and worker need PostgreSQL"`
	PublicURL      string   `toml:"public_url" help:"scheme and host of URLs in answers and signed links; empty takes them from each request"`
	TrustForwarded bool     `toml:"trust_forwarded" help:"use X-Forwarded-Host and X-Forwarded-Proto; only behind a proxy that sets them"`
	TLSCert        string   `toml:"tls_cert" help:"PEM file with the certificate chain; together with tls_key it turns TLS on"`
	TLSKey         string   `toml:"tls_key" help:"PEM file with the private key of tls_cert"`
	MaxUpload      Bytes    `toml:"max_upload" help:"largest recording that is accepted"`
	BodyTimeout    Duration `toml:"body_timeout" help:"longest time that the body of a request may take to arrive; an upload may pause for as long"`
	UploadRate     Bytes    `toml:"upload_rate" help:"bytes a second that an upload must have on average"`
	ShutdownGrace  Duration `toml:"shutdown_grace" help:"how long requests and running jobs may go on after a stop signal"`
}

// Database is where rooms, recordings, compositions and jobs are stored.
type Database struct {
	URL DatabaseURL `toml:"url" help:"postgres://user:password@host/name; empty is SQLite in the data folder"`
}

// MediaStore is where media is kept that is not delivered to a customer's bucket.
type MediaStore struct {
	URL       string `toml:"url" help:"s3://bucket/prefix; empty keeps media in the data folder"`
	Endpoint  string `toml:"endpoint" help:"scheme and host of the S3 server; empty is AWS"`
	Region    string `toml:"region" help:"region of the bucket"`
	PathStyle bool   `toml:"path_style" help:"name the bucket in the path; most S3 servers other than AWS need it"`
	CA        string `toml:"ca" help:"PEM file with the authority that signed the endpoint's certificate; empty trusts the system's"`
	AccessKey string `toml:"access_key" help:"access key of the bucket"`
	SecretKey Secret `toml:"secret_key" help:"secret of access_key"`
}

// Render is the child process that decodes, composes and encodes.
type Render struct {
	Binary       string       `toml:"binary" help:"path of roomreel-render; empty looks beside roomreel, then in PATH"`
	Sandbox      Sandbox      `toml:"sandbox" help:"auto uses every protection that this kernel has, require refuses to start when one is missing, off uses none"`
	Parallel     int          `toml:"parallel" help:"render children at the same time; 0 is one for each core"`
	VideoEncoder VideoEncoder `toml:"video_encoder" help:"what encodes H.264 on this node: software, vaapi or nvenc; a node whose device cannot be used encodes in software"`
	Devices      string       `toml:"devices" help:"files of the device, separated by commas, which render children may open; empty is /dev/dri/renderD128 for vaapi, and /dev/nvidia0, /dev/nvidiactl and /dev/nvidia-uvm for nvenc"`
	Memory       Bytes        `toml:"memory" help:"most memory one child may use"`
}

// Compose is how films are made.
type Compose struct {
	FPS           int        `toml:"fps" help:"frames per second of a film, from 1 to 60"`
	MaxResolution Resolution `toml:"max_resolution" help:"largest Resolution that a request may ask for, up to 4096x2304; Twilio's is 1280x720"`
	Chunk         Duration   `toml:"chunk" help:"film time of a chunk: what is rendered again after a crash, and the unit of progress"`
	Encoder       Quality    `toml:"encoder" help:"quality of films that name none: draft is fastest, archive looks best, standard is in between, small is AV1: half the bytes, several times the processor time"`
	Copy          Copy       `toml:"copy" help:"auto copies packets of a recording that alone fills the film, in the film's format; frames then have the recording's times. never encodes"`
	Hold          Duration   `toml:"hold" help:"how long the last frame of a camera that is off stays before its cell is black; 0 is until the camera is on again"`
	Window        Duration   `toml:"window" help:"how long recordings that are sealed or in a customer's bucket can still be composed; 0 is not at all, as with Twilio"`
}

// Webhook is how status callbacks are sent.
type Webhook struct {
	Allow   []netip.Prefix `toml:"allow" help:"private networks that callbacks may reach, such as 10.0.0.0/8; public addresses are always allowed"`
	GiveUp  Duration       `toml:"give_up" help:"how long a callback is tried before it is given up"`
	Connect Duration       `toml:"connect" help:"longest time to connect to a receiver"`
	Timeout Duration       `toml:"timeout" help:"longest time for a whole callback"`
}

// S3 is how media is delivered to customers' buckets.
type S3 struct {
	Key       string       `toml:"key" help:"object key below the prefix of the customer's URL; {account}, {sid} and {ext} are replaced"`
	GiveUp    Duration     `toml:"give_up" help:"how long the delivery of a recording or film is tried before it is given up"`
	Endpoints []S3Endpoint `toml:"endpoints" help:"S3 servers besides AWS that customers may name; a list of tables, in the environment a JSON list"`
}

// S3Endpoint is an S3-compatible server that customers' settings may name.
type S3Endpoint struct {
	Host      string `toml:"host" json:"host" help:"host, and port when it is not 443"`
	Region    string `toml:"region" json:"region" help:"region to sign for"`
	PathStyle bool   `toml:"path_style" json:"path_style" help:"name the bucket in the path"`
	Insecure  bool   `toml:"insecure" json:"insecure" help:"plain HTTP"`
	CA        string `toml:"ca" json:"ca" help:"PEM file with the authority that signed its certificate"`
}

// Encryption is how media is sealed with customers' public keys.
type Encryption struct {
	Seal Seal `toml:"seal" help:"twilio is Twilio's envelope (AES-256-CBC); cms-gcm is authenticated, and openssl opens it"`
}

// Limits bound what callers may ask for.
type Limits struct {
	Reads          Rate     `toml:"reads_per_second" help:"GET requests per account and second; 0 is no limit; auto is 80, or 800 on a server that only this machine reaches"`
	Writes         Rate     `toml:"writes_per_second" help:"other requests per account and second; 0 is no limit; auto is 20, or 200 on a server that only this machine reaches"`
	SignInFailures int      `toml:"sign_in_failures" help:"failed sign-ins a minute of one user name from one client address, and ten times as many from the address; 0 is no limit"`
	Connections    int      `toml:"connections" help:"clients that are connected at the same time; above it, connections without a request end; 0 is no limit"`
	Uploads        int      `toml:"uploads" help:"recordings that are received at the same time; each needs its size in scratch space"`
	FreeSpace      Bytes    `toml:"free_space" help:"space that uploads and compositions leave free on the disk; with less, uploads are refused and compositions wait"`
	Tracks         int      `toml:"tracks" help:"recordings of one room that a composition reads"`
	FilmLength     Duration `toml:"film_length" help:"longest film"`
	FilmFrames     int      `toml:"film_frames" help:"most video frames of a film"`
	OffsetSpread   Duration `toml:"offset_spread" help:"longest time from the earliest start to the latest end of a composition's recordings, gaps included"`
}

// Rates returns the requests per second of one account, 0 for no limit. Twilio's are 80 reads and 20 writes. A server that only
// programs of this machine reach has ten times as many: it listens on a loopback address, and no setting says that a proxy stands
// before it.
//
// Source: twilio.com/docs/video/programmable-video-limits.
func (c Config) Rates() (reads, writes int) {
	reads, writes = 80, 20
	host, _, _ := net.SplitHostPort(c.Server.Listen)
	address, err := netip.ParseAddr(host)
	if (err == nil && address.IsLoopback() || host == "localhost") && c.Server.PublicURL == "" && !c.Server.TrustForwarded {
		reads, writes = reads*10, writes*10
	}
	if c.Limits.Reads != RateAuto {
		reads = int(c.Limits.Reads)
	}
	if c.Limits.Writes != RateAuto {
		writes = int(c.Limits.Writes)
	}
	return reads, writes
}

// Film returns the limits of one composition.
func (l Limits) Film() roomreel.FilmLimits {
	return roomreel.FilmLimits{
		FilmLength: l.FilmLength.Std(), OffsetSpread: l.OffsetSpread.Std(), Frames: l.FilmFrames, Tracks: l.Tracks,
	}
}

// Retention is how long rows of deleted resources stay.
type Retention struct {
	Metadata Duration `toml:"metadata" help:"how long rows of deleted recordings and compositions stay readable; not shorter than webhook.give_up and s3.give_up"`
}

// Log is how log lines on standard error look.
type Log struct {
	Level  LogLevel  `toml:"level" help:"debug, info, warn or error"`
	Format LogFormat `toml:"format" help:"text, json or auto: text on a terminal, JSON otherwise"`
}

// Default returns the built-in configuration.
func Default() Config {
	film := roomreel.FilmLimits{}.WithDefaults()
	return Config{
		Server: Server{
			Data: "./data", Listen: "127.0.0.1:8080", Role: RoleAll,
			// Twilio limits the recordings of one composition to 40 GB together (error 53633).
			MaxUpload:     40 << 30,
			BodyTimeout:   Duration(time.Minute),
			UploadRate:    4 << 10,
			ShutdownGrace: Duration(30 * time.Second),
		},
		Render: Render{Sandbox: SandboxAuto, VideoEncoder: EncodeSoftware, Memory: 2 << 30},
		Compose: Compose{
			FPS: 25, MaxResolution: Resolution{1920, 1080}, Chunk: Duration(20 * time.Second), Encoder: Quality(roomreel.QualityStandard), Copy: CopyAuto, Hold: Duration(2 * time.Second), Window: Duration(24 * time.Hour),
		},
		// Twilio allows five seconds to connect and fifteen in all. Source: docs/webhooks/webhooks-connection-overrides.
		Webhook:    Webhook{GiveUp: Duration(24 * time.Hour), Connect: Duration(5 * time.Second), Timeout: Duration(15 * time.Second)},
		Encryption: Encryption{Seal: SealTwilio},
		S3:         S3{Key: "{account}/{sid}.{ext}", GiveUp: Duration(24 * time.Hour)},
		Limits: Limits{
			Reads: RateAuto, Writes: RateAuto,
			SignInFailures: 60, Connections: 16384, Uploads: 16, FreeSpace: 256 << 20,
			Tracks: film.Tracks, FilmLength: Duration(film.FilmLength), FilmFrames: film.Frames, OffsetSpread: Duration(film.OffsetSpread),
		},
		Retention: Retention{Metadata: Duration(30 * 24 * time.Hour)},
		Log:       Log{Level: LevelInfo, Format: LogAuto},
	}
}
