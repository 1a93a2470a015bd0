#!/bin/sh
# Starts coturn with turnserver.conf and what differs from place to place:
#   TURN_SECRET_FILE   the file that YUNHAI_TURN_SECRET_FILE names too
#   TURN_PEERS         addresses of the nodes' media, separated by commas; relayed to nobody else
#   TURN_CERTIFICATE   folder with cert.pem and key.pem; without them there is no TLS
# What is given on the command line is handed on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${TURN_PEERS:?the addresses of the nodes, separated by commas}"
umask 077
made=$(mktemp)
{
  cat "$here/turnserver.conf"
  echo "static-auth-secret=$(cat "$TURN_SECRET_FILE")"
  echo "$TURN_PEERS" | tr , '\n' | sed 's/^ */allowed-peer-ip=/'
  if [ -r "${TURN_CERTIFICATE:-}/cert.pem" ]; then
    echo "cert=$TURN_CERTIFICATE/cert.pem"
    echo "pkey=$TURN_CERTIFICATE/key.pem"
  else
    printf 'no-tls\nno-dtls\n'
  fi
} > "$made"
exec turnserver -c "$made" "$@"
