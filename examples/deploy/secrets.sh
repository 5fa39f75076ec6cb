#!/bin/sh
# Makes what a site must keep to itself, in a folder: sh examples/deploy/secrets.sh FOLDER
#
#   services.txt        the password with which gateways log in at the services
#   site.pem, site.crt  a certificate of localhost with its key, and without; a real site has one of its authority's
#   grafana.txt         the password of Grafana's admin
#
# What is there already is left alone. The folder keeps others out, not the files: in containers they are read by users
# who are not their owner.
set -eu
umask 022
folder=${1:?the folder is missing: sh examples/deploy/secrets.sh FOLDER}
mkdir -p "$folder"
chmod 700 "$folder"

password() { openssl rand -hex 24; }

# make_once FILE COMMAND…: written under another name first, so that what stands is whole.
make_once() {
  if [ ! -s "$folder/$1" ]; then
    file=$1
    shift
    "$@" >"$folder/.new"
    mv "$folder/.new" "$folder/$file"
  fi
}

make_once services.txt password
make_once grafana.txt password
if [ ! -s "$folder/site.pem" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$folder/.key" -out "$folder/site.crt" 2>/dev/null
  cat "$folder/site.crt" "$folder/.key" >"$folder/site.pem"
  rm "$folder/.key"
fi
