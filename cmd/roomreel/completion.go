package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completion is what a shell offers after one command: the commands below it, its flags, and the values of both.
type completion struct {
	path   string // the words of the command without "roomreel", such as "account create"; "" for roomreel itself
	words  []completionWord
	values []completionValues
}

type completionWord struct{ name, help string }

// completionValues are the values of one flag, or of arguments if the flag is "". No values mean a file.
type completionValues struct {
	flag   string
	values []string
}

// completionScripts make the script of a shell. None runs roomreel.
var completionScripts = map[string]func([]completion) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}

func completionsOf(model *kong.Application) []completion {
	var list []completion
	var visit func(node *kong.Node, path string)
	visit = func(node *kong.Node, path string) {
		c := completion{path: path}
		for _, child := range node.Children {
			if !child.Hidden {
				c.words = append(c.words, completionWord{child.Name, child.Help})
			}
		}
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				name := "--" + flag.Name
				c.words = append(c.words, completionWord{name, flag.Help})
				if !flag.IsBool() {
					c.values = append(c.values, completionValues{name, choices(flag.Value, flag.PlaceHolder)})
				}
			}
		}
		for _, argument := range node.Positional {
			c.values = append(c.values, completionValues{"", choices(argument, "")})
		}
		list = append(list, c)
		for _, child := range node.Children {
			if !child.Hidden {
				visit(child, strings.TrimSpace(path+" "+child.Name))
			}
		}
	}
	visit(model.Node, "")
	return list
}

// choices are the values of an enumeration, or those of a placeholder such as all|api|worker.
func choices(value *kong.Value, placeholder string) []string {
	if value.Enum != "" {
		return slices.DeleteFunc(value.EnumSlice(), func(s string) bool { return s == "" })
	}
	if strings.Contains(placeholder, "|") {
		return strings.Split(placeholder, "|")
	}
	return nil
}

// paths is the pattern of a case statement that matches every command.
func paths(list []completion) string {
	var all []string
	for _, c := range list {
		if c.path != "" {
			all = append(all, `"`+c.path+`"`)
		}
	}
	return strings.Join(all, "|")
}

// quoted is a word of bash, zsh or fish.
func quoted(s string) string {
	return "'" + strings.NewReplacer("'", "’", `\`, `/`, "\n", " ").Replace(s) + "'"
}

func names(words []completionWord) string {
	var all []string
	for _, word := range words {
		all = append(all, word.name)
	}
	return strings.Join(all, " ")
}

// shellFunction is the part that bash and zsh share. It reads the words before the cursor from the array before, whose first
// one is roomreel, and calls offer_files, or offer_words with words.
func shellFunction(list []completion, words func(completion) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tlocal command='' word last=''\n\tfor word in \"${before[@]:1}\"; do\n\t\t[ \"$word\" = '=' ] || last=$word\n"+
		"\t\tcase \"${command:+$command }$word\" in\n\t\t%s) command=\"${command:+$command }$word\" ;;\n\t\tesac\n\tdone\n", paths(list))
	b.WriteString("\tcase $command:$last in\n")
	for _, c := range list {
		arguments := ""
		for _, v := range c.values {
			offer := "offer_files"
			if len(v.values) > 0 {
				offer = "offer_words " + strings.Join(v.values, " ")
			}
			if v.flag == "" {
				arguments = "; " + offer
				continue
			}
			fmt.Fprintf(&b, "\t%q) %s ;;\n", c.path+":"+v.flag, offer)
		}
		fmt.Fprintf(&b, "\t%q:*) %s%s ;;\n", c.path, words(c), arguments)
	}
	b.WriteString("\tesac\n")
	return b.String()
}

func bashCompletion(list []completion) string {
	return "# bash completion of roomreel, made by `roomreel generate bash`.\n_roomreel() {\n" +
		"\tlocal current=${COMP_WORDS[COMP_CWORD]#=} before=(\"${COMP_WORDS[@]:0:COMP_CWORD}\")\n" +
		"\toffer_words() { COMPREPLY+=($(compgen -W \"$*\" -- \"$current\")); }\n" +
		"\toffer_files() { compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- \"$current\")); }\n" +
		shellFunction(list, func(c completion) string { return "offer_words " + names(c.words) }) +
		"\tunset -f offer_words offer_files\n}\ncomplete -F _roomreel roomreel\n"
}

func zshCompletion(list []completion) string {
	described := func(c completion) string {
		described := "words=("
		for _, word := range c.words {
			described += quoted(word.name+":"+word.help) + " "
		}
		return described + "); _describe roomreel words"
	}
	return "#compdef roomreel\n# zsh completion of roomreel, made by `roomreel generate zsh`.\n_roomreel() {\n" +
		"\tlocal -a before\n\tbefore=(\"${(@)words[1,CURRENT-1]}\")\n\tlocal -a words\n" +
		"\toffer_words() { compadd -- \"$@\"; }\n\toffer_files() { _files; }\n" +
		shellFunction(list, described) + "\tunfunction offer_words offer_files\n}\n_roomreel \"$@\"\n"
}

func fishCompletion(list []completion) string {
	var b strings.Builder
	b.WriteString("# fish completion of roomreel, made by `roomreel generate fish`.\n" +
		"# __roomreel_at COMMAND succeeds if the words before the cursor name this command.\nfunction __roomreel_at\n" +
		"\tset -l command ''\n\tfor word in (commandline -opc)[2..]\n\t\tset -l longer (string trim -- \"$command $word\")\n" +
		"\t\tcontains -- \"$longer\"" + strings.ReplaceAll(strings.ReplaceAll("|"+paths(list), "|", " "), `"`, "'") + "; and set command $longer\n" +
		"\tend\n\ttest \"$command\" = \"$argv[1]\"\nend\n")
	for _, c := range list {
		at := fmt.Sprintf(`complete -c roomreel -n "__roomreel_at '%s'"`, c.path)
		values := map[string][]string{}
		for _, v := range c.values {
			values[v.flag] = v.values
		}
		if _, files := values[""]; !files {
			fmt.Fprintf(&b, "%s -f\n", at)
		}
		if len(values[""]) > 0 {
			fmt.Fprintf(&b, "%s -f -a %s\n", at, quoted(strings.Join(values[""], " ")))
		}
		for _, word := range c.words {
			name, isFlag := strings.CutPrefix(word.name, "--")
			if !isFlag {
				fmt.Fprintf(&b, "%s -a %s -d %s\n", at, name, quoted(word.help))
				continue
			}
			takes := ""
			if choices, ok := values[word.name]; ok {
				takes = " -r -F"
				if len(choices) > 0 {
					takes = " -x -a " + quoted(strings.Join(choices, " "))
				}
			}
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", at, name, takes, quoted(word.help))
		}
	}
	return b.String()
}
