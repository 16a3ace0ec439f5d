// Command conformance runs the scenarios of ../README.md, or those that are named,
// and prints a line for each.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

func main() {
	code := 0
	for _, scenario := range slices.Concat(parameters, invoking, following, connecting, failing, finding, pinging, balancing, creating) {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], scenario.id) {
			continue
		}
		if why := scenario.run(); why != nil {
			code = 1
			fmt.Printf("FAILED %s: %s\n", scenario.id, strings.Join(strings.Fields(why.Error()), " "))
		} else {
			fmt.Println("ok", scenario.id)
		}
	}
	os.Exit(code)
}
