package main

import (
	"slices"
	"strings"
)

// listFlags take several values after one flag: --audio-sources alice bob is --audio-sources alice --audio-sources bob.
var listFlags = []string{"--audio-sources", "--audio-sources-excluded"}

// spread repeats a list flag before each of its values, for the parser.
//
// No command with such a flag takes other arguments, so that a word which follows a value is a value too. A value that
// begins with a dash is written --audio-sources=-name.
func spread(args []string) []string {
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
