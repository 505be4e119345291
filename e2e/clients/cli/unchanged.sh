#!/usr/bin/env bash
# A program that does not know roomreel: it uses video.twilio.com and accounts.twilio.com.
set -euo pipefail
for name in one two three; do
	twilio api:video:v1:rooms:create --unique-name="$name" --silent
done
rooms=$(twilio api:video:v1:rooms:list --page-size=2 --properties=uniqueName -o tsv --no-header | tr '\n' ' ')
credentials=$(twilio api:accounts:v1:credentials:aws:list --properties=sid -o tsv --no-header 2>/dev/null | wc -l)
echo "$rooms$credentials"
