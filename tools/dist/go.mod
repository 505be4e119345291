// The tool that lists the parts of a package and their licences.
module roomreel/tools/dist

go 1.26.0
