#!/usr/bin/env bash
# until_caught.sh PROGRAM ARGUMENT... - run a stress program that plants a bug, each time with another seed, until it is caught
# A race is met by chance; on a busy machine the first two seconds may pass without it. What is never caught fails the test.
for ((round = 0; round < 10; round++)); do
	"$@" || exit 1
done
