// Package fidelity measures finished films: where each flash and tone is, whether frames and samples are those of the
// recordings, and what damaged files do. docs/fidelity.md has the goals and the measured figures.
//
// Every figure comes from a film that the built binaries made and that ffmpeg decoded. Each row of the table is one test. In
// short form, the tests measure small rooms. With ROOMREEL_TEST_FIDELITY=long, which `make fidelity` sets, they measure the rooms
// that the table names, and print the table. measuring_test.go shows that each measurement finds the fault that it is for.
// Start with goals_test.go.
package fidelity
