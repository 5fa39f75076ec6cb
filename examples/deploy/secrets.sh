#!/bin/sh
# Makes what a site must keep to itself: sh examples/deploy/secrets.sh FOLDER [containers]
#
#   services.txt        the password with which gateways log in at the services
#   keys.txt            the hashes of callers' keys; `cara-gateway key NAME --role ROLE --file FOLDER/keys.txt` adds one
#   site.pem, site.crt  a certificate of localhost with its key, and without; a real site has one of its authority's
#   grafana.txt         the password of Grafana's admin
#
# What is there already is left alone. With "containers", as root, each file belongs to the user of the container that
# reads it: Docker shows files as they are.
set -eu
umask 077
folder=${1:?the folder is missing: sh examples/deploy/secrets.sh FOLDER}
mkdir -p "$folder"

password() { openssl rand -hex 24; }

# make_once FILE COMMAND…: written under another name first, so that what stands is whole.
make_once() {
  if [ ! -e "$folder/$1" ]; then
    file=$1
    shift
    "$@" >"$folder/.new"
    mv "$folder/.new" "$folder/$file"
  fi
}

make_once services.txt password
make_once keys.txt printf ''
make_once grafana.txt password
if [ ! -e "$folder/site.pem" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$folder/.key" -out "$folder/site.crt" 2>/dev/null
  cat "$folder/site.crt" "$folder/.key" >"$folder/.new"
  rm "$folder/.key"
  mv "$folder/.new" "$folder/site.pem"
fi

if [ "${2:-}" = containers ]; then
  chmod 755 "$folder"
  chmod 644 "$folder/site.crt"
  chown 10001:10001 "$folder/services.txt" "$folder/keys.txt"  # the gateways and the example services
  chown 99:99 "$folder/site.pem"                               # HAProxy
  chown 472:0 "$folder/grafana.txt"
fi
