// Package e2e proves the whole program: the two binaries as they are shipped, on rooms whose truth is known.
//
// Rooms are made and films are read back by package fixture; the demo beside it is the same from a user's side. Start
// with TestCompose_ShowsAndHearsEveryoneWhenTheyAreThere.
package e2e
