#!/bin/sh
# Hears of changes in the address book with curl alone: a callback for who has no WebSocket.
# watch.sh [URL] [NUMBER]: prints so many changes, then ends. `cara-gateway demo` has the address book.
set -eu

url=${1:-http://127.0.0.1:8080}
wanted=${2:-3}
json='Content-Type: application/json'
folder=$(mktemp -d)
mkfifo "$folder/events"

id=$(curl -sSf -X POST "$url/api/session" | sed 's/.*"session":"\([^"]*\)".*/\1/')
session="Session-Id: $id"
curl -sSN "$url/api/events" -H "$session" > "$folder/events" &
listening=$!
trap 'kill $listening 2> /dev/null || true; curl -s -X DELETE "$url/api/session" -H "$session"; rm -r "$folder"' EXIT

heard=0
while read -r line; do
  case $line in
    retry:*)
      # The stream is open, so that callbacks can be passed.
      curl -sSf "$url/api/addressbook/watch" -H "$session" -H "$json" -d '{"listener":{"$callback":"book"}}' > /dev/null
      echo watching
      ;;
    'data: '*'"method":"!book.changed"'*)
      data=${line#data: }
      echo "$data" | sed 's/.*"name":"\([^"]*\)".*,"\([a-z]*\)"\].*/\1 was \2/'
      # The service waits until it is told that this was heard.
      call=$(echo "$data" | sed 's/.*"id":"\([^"]*\)".*/\1/')
      curl -sSf -X POST "$url/api/callbacks/$call" -H "$session"
      heard=$((heard + 1))
      [ "$heard" -lt "$wanted" ] || exit 0
      ;;
  esac
done < "$folder/events"
