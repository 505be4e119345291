package layout

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
)

var canvas = Size{640, 480}

func TestParse_FillsDefaultsIn(t *testing.T) {
	l, err := Parse(`{"b":{"video_sources":["*"]},"a":{"video_sources":[],"width":240.0,"height":1.8e2,"x_pos":null,"z_pos":-99,"reuse":"none","cells_excluded":[4]}}`, canvas)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"b":{"x_pos":0,"y_pos":0,"z_pos":0,"width":null,"height":null,"max_columns":null,"max_rows":null,"cells_excluded":[],"reuse":"show_oldest","video_sources":["*"],"video_sources_excluded":[]},` +
		`"a":{"x_pos":0,"y_pos":0,"z_pos":-99,"width":240,"height":180,"max_columns":null,"max_rows":null,"cells_excluded":[4],"reuse":"none","video_sources":[],"video_sources_excluded":[]}}`
	if diff := cmp.Diff(want, l.JSON()); diff != "" {
		t.Error(diff)
	}
	again, err := Parse(l.JSON(), canvas)
	if err != nil {
		t.Fatalf("what the API echoes is refused: %v", err)
	}
	if diff := cmp.Diff(want, again.JSON()); diff != "" {
		t.Error(diff)
	}
}

func TestParse_Empty(t *testing.T) {
	l, err := Parse(" {} ", canvas)
	if err != nil || !l.Empty() || l.JSON() != "{}" {
		t.Errorf("{}: %v, empty %v, %s", err, l.Empty(), l.JSON())
	}
}

func TestDefault_IsWhatParseReads(t *testing.T) {
	l, err := Parse(Default(canvas).JSON(), canvas)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(canvas), l, cmp.Comparer(func(a, b []int) bool { return len(a) == 0 && len(b) == 0 })); diff != "" {
		t.Error(diff)
	}
}

func manyRegions(n int) string {
	var regions []string
	for i := range n {
		regions = append(regions, fmt.Sprintf(`"r%d":{"video_sources":["*"]}`, i))
	}
	return "{" + strings.Join(regions, ",") + "}"
}

// TestParse_NamesRegionAndField: with seven regions in a layout, the error must say which region and field is wrong.
func TestParse_NamesRegionAndField(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", ``, "it is empty"},
		{"not JSON", `grid`, "must be a JSON object of regions"},
		{"null", `null`, "must be a JSON object of regions"},
		{"a list", `[]`, "must be a JSON object of regions"},
		{"a string", `"{}"`, "must be a JSON object of regions"},
		{"cut off", `{"a":{"video_sources":["*"]}`, "ends too early"},
		{"cut off in a region", `{"a":{"video_sources":["*"]`, "ends too early"},
		{"trailing text", `{} {}`, "something follows after the closing bracket"},
		{"not UTF-8", "{\"\xff\":{}}", "UTF-8"},
		{"huge", `{"a":{"video_sources":["` + strings.Repeat("x", 64<<10) + `"]}}`, "bytes long; at most 65536"},
		{"huge when echoed", `{"a":{"video_sources":["*"],"cells_excluded":[` + strings.Repeat(`1e5,`, 15000) + `1]}}`, "with its defaults filled in"},
		{"deep", `{"a":` + strings.Repeat(`[`, 12000) + strings.Repeat(`]`, 12000) + `}`, "must be a JSON object"},
		{"too many regions", manyRegions(101), "has 101 regions; at most 100"},
		{"long name", `{"` + strings.Repeat("n", 129) + `":{"video_sources":["*"]}}`, "the name of region 1"},
		{"same region twice", `{"a":{"video_sources":["*"]},"a":{"video_sources":["*"]}}`, `"a" is given twice`},
		{"half of a character", `{"a":{"video_sources":["\ud800"]}}`, `holds \ud800, which is half of a character`},
		{"half of a character in a name", `{"\udc00":{"video_sources":["*"]}}`, `holds \udc00`},
		{"list region", `{"a":["*"]}`, `region "a": must be a JSON object`},
		{"no sources", `{"a":{}}`, `region "a": video_sources is missing`},
		{"null sources", `{"a":{"video_sources":null}}`, `region "a": video_sources is missing`},
		{"sources a string", `{"a":{"video_sources":"*"}}`, `region "a": video_sources must be a list of strings`},
		{"source a number", `{"a":{"video_sources":[1]}}`, `region "a": video_sources must be a list of strings`},
		{"source null", `{"a":{"video_sources":[null]}}`, `region "a": video_sources must be a list of strings`},
		{"source empty", `{"a":{"video_sources":[""]}}`, `region "a": video_sources holds an empty name`},
		{"star in the middle", `{"a":{"video_sources":["a*b"]}}`, `region "a": video_sources holds "a*b"`},
		{"excluded sources", `{"a":{"video_sources":["*"],"video_sources_excluded":[{}]}}`, `video_sources_excluded must be a list of strings`},
		{"unknown field", `{"a":{"video_sources":["*"],"max_column":1}}`, `region "a": max_column is not a field of a region; those are x_pos, `},
		{"field in another case", `{"a":{"video_sources":["*"],"X_pos":1}}`, `X_pos is not a field`},
		{"field twice", `{"a":{"video_sources":["*"],"x_pos":1,"x_pos":2}}`, `region "a": must be a JSON object such as {"video_sources":["*"]}: "x_pos" is given twice`},
		{"x_pos negative", `{"a":{"video_sources":["*"],"x_pos":-1}}`, `region "a": x_pos must be a whole number from 0 to 624 in a film 640 wide, not -1`},
		{"x_pos too large", `{"a":{"video_sources":["*"],"x_pos":625}}`, `x_pos must be`},
		{"y_pos too large", `{"a":{"video_sources":["*"],"y_pos":465}}`, `y_pos must be a whole number from 0 to 464`},
		{"x_pos fraction", `{"a":{"video_sources":["*"],"x_pos":1.5}}`, `x_pos must be a whole number`},
		{"x_pos string", `{"a":{"video_sources":["*"],"x_pos":"1"}}`, `x_pos must be a whole number from 0 to 624 in a film 640 wide, not "1"`},
		{"x_pos true", `{"a":{"video_sources":["*"],"x_pos":true}}`, `x_pos must be`},
		{"x_pos beyond any float", `{"a":{"video_sources":["*"],"x_pos":1e999}}`, `x_pos must be`},
		{"z_pos", `{"a":{"video_sources":["*"],"z_pos":100}}`, `z_pos must be a whole number from -99 to 99, not 100`},
		{"width small", `{"a":{"video_sources":["*"],"width":15}}`, `width must be a whole number from 16 to 640`},
		{"height large", `{"a":{"video_sources":["*"],"height":481}}`, `height must be a whole number from 16 to 480`},
		{"width leaves", `{"a":{"video_sources":["*"],"x_pos":600,"width":41}}`, `x_pos 600 and width 41 reach beyond`},
		{"height leaves", `{"a":{"video_sources":["*"],"y_pos":464,"height":17}}`, `y_pos 464 and height 17 reach beyond`},
		{"max_columns", `{"a":{"video_sources":["*"],"max_columns":0}}`, `max_columns must be a whole number from 1 to 1000`},
		{"max_rows", `{"a":{"video_sources":["*"],"max_rows":1001}}`, `max_rows must be a whole number from 1 to 1000`},
		{"cells_excluded a number", `{"a":{"video_sources":["*"],"cells_excluded":4}}`, `cells_excluded must be a list`},
		{"cells_excluded too large", `{"a":{"video_sources":["*"],"cells_excluded":[1000000]}}`, `cells_excluded must hold whole numbers from 0 to 999999, not 1000000`},
		{"cells_excluded null inside", `{"a":{"video_sources":["*"],"cells_excluded":[null]}}`, `cells_excluded must hold`},
		{"reuse", `{"a":{"video_sources":["*"],"reuse":"newest"}}`, `region "a": reuse must be`},
		{"reuse number", `{"a":{"video_sources":["*"],"reuse":1}}`, `region "a": reuse must be`},
		{"the second region", `{"a":{"video_sources":["*"]},"b":{"video_sources":["*"],"x_pos":[]}}`, `region "b": x_pos`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Parse(c.text, canvas)
			var e *roomreel.Error
			if !errors.As(err, &e) {
				t.Fatalf("no error but %s", l.JSON())
			}
			if e.Code != roomreel.Invalid || e.Param != "VideoLayout" || !strings.Contains(e.Detail, c.want) {
				t.Errorf("%v\nwant it to say %q", e, c.want)
			}
			if len(e.Detail) > 500 {
				t.Errorf("the error is %d bytes long", len(e.Detail))
			}
		})
	}
}

func TestParse_TakesTheLimits(t *testing.T) {
	for _, text := range []string{
		`{"a":{"video_sources":["*"],"x_pos":624,"y_pos":464,"z_pos":99,"width":16,"height":16,"max_columns":1000,"max_rows":1,"cells_excluded":[0,999999]}}`,
		`{"a":{"video_sources":["*"],"width":640,"height":480}}`,
		`{"":{"video_sources":["*"]}}`,
		`{"\u00e9\"<&>":{"video_sources":["é<>"]}}`,
		`{"a":{"video_sources":["*"],"video_sources_excluded":null,"reuse":null,"cells_excluded":null,"max_rows":null,"z_pos":-0},"none":null}`,
	} {
		l, err := Parse(text, canvas)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if again, err := Parse(l.JSON(), canvas); err != nil || again.JSON() != l.JSON() {
			t.Errorf("%s: echo %s is read as %s, %v", text, l.JSON(), again.JSON(), err)
		}
	}
}

func TestParseResolution(t *testing.T) {
	for _, c := range []struct {
		text    string
		largest Size
		want    Size
	}{
		{"640x480", Twilio, Size{640, 480}},
		{"1280x720", Twilio, Size{1280, 720}},
		{"720x1280", Twilio, Size{720, 1280}},
		{"16x16", Twilio, Size{16, 16}},
		{"641x481", Twilio, Size{641, 481}},
		{"960x960", Twilio, Size{960, 960}},
		{"1920x1080", Size{1920, 1080}, Size{1920, 1080}},
		{"1080x1920", Size{1920, 1080}, Size{1080, 1920}},
		{"3840x2160", Size{3840, 2160}, Size{3840, 2160}},
		{"4096x2304", Largest, Size{4096, 2304}},
		{"2304x4096", Largest, Size{2304, 4096}},
	} {
		if got, err := ParseResolution(c.text, c.largest); err != nil || got != c.want {
			t.Errorf("%s of %v: %v, %v", c.text, c.largest, got, err)
		}
	}
	for largest, texts := range map[Size][]string{
		Twilio: {
			"", "x", "640", "640x", "x480", "640X480", "640*480", "15x480", "640x15", "1281x16", "1280x721", "961x960",
			"1920x1080", "-640x480", "+640x480", "0640x480", "640x480x2", " 640x480", "640x480 ", "6e2x480", "640.0x480", "99999999999999999999x480",
		},
		{1920, 1080}: {"1921x16", "16x1921", "1920x1082", "1440x1441", "3840x2160"},
		Largest:      {"4098x16", "4096x2306", "9999x9999", "10000x16"},
	} {
		for _, text := range texts {
			size, err := ParseResolution(text, largest)
			var e *roomreel.Error
			if !errors.As(err, &e) || e.Param != "Resolution" || e.Code != roomreel.Invalid {
				t.Errorf("%q of %v: %v, %v; want an error about Resolution", text, largest, size, err)
			}
		}
	}
	// The error says what would be possible.
	for text, bound := range map[string]string{"1921x16": "1920", "1920x1082": "2073600 (1920x1080)"} {
		if _, err := ParseResolution(text, Size{1920, 1080}); !strings.Contains(err.Error(), bound) {
			t.Errorf("%s: %v does not name the bound %s", text, err, bound)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{}`, 640, 480)
	f.Add(`{"a":{"video_sources":["*"],"x_pos":1,"y_pos":2,"z_pos":3,"width":16,"height":17,"max_columns":2,"max_rows":3,"cells_excluded":[1,2],"reuse":"show_newest","video_sources_excluded":["x*"]}}`, 641, 481)
	f.Add(`{"a":{"video_sources":["\ud800"]},"b":{"video_sources":null}}`, 16, 16)
	f.Fuzz(func(t *testing.T, text string, w, h int) {
		size := Size{16 + w&1023, 16 + h&1023}
		l, err := Parse(text, size)
		if err != nil {
			var e *roomreel.Error
			if !errors.As(err, &e) || e.Param != "VideoLayout" {
				t.Fatalf("%v is not an error about VideoLayout", err)
			}
			return
		}
		again, err := Parse(l.JSON(), size)
		if err != nil {
			t.Fatalf("echo %s is refused: %v", l.JSON(), err)
		}
		if again.JSON() != l.JSON() {
			t.Fatalf("echo of %s is %s", l.JSON(), again.JSON())
		}
		for _, r := range l.Regions {
			checkRects(t, size, r.cells(size, 5))
		}
	})
}

// checkRects fails when a rectangle is not even or leaves the film of the canvas's size rounded down to even.
func checkRects(t interface {
	Helper()
	Fatalf(string, ...any)
}, canvas Size, rects []Rect,
) {
	t.Helper()
	for _, r := range rects {
		if (r.X|r.Y|r.W|r.H)&1 != 0 || r.W < 2 || r.H < 2 || r.X < 0 || r.Y < 0 || r.X+r.W > canvas.W&^1 || r.Y+r.H > canvas.H&^1 {
			t.Fatalf("%+v on a canvas of %+v", r, canvas)
		}
	}
}
