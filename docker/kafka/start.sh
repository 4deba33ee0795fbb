#!/bin/sh
# Starts an enforcing broker: formats its storage once, with the administrator's SCRAM credentials; then runs it.
#   BUSLINE_SECRETS  a folder with the files `admin` and `broker` (/run/secrets)
#   BUSLINE_NODE     this node's settings, added to enforcing.properties (node.properties beside this script)
#   BUSLINE_WORK     a folder for the settings as they run (/tmp/busline)
#   KAFKA_HOME       where bin/kafka-storage.sh is (/opt/kafka);  CLUSTER_ID  shared by the nodes of a cluster
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
bin=${KAFKA_HOME:-/opt/kafka}/bin
secrets=${BUSLINE_SECRETS:-/run/secrets}
node=${BUSLINE_NODE:-$here/node.properties}
work=${BUSLINE_WORK:-/tmp/busline}
for name in admin broker; do
  if [ ! -r "$secrets/$name" ] || [ "$(wc -l < "$secrets/$name")" -ne 0 ]; then
    echo "start.sh: $secrets/$name is no file with a secret on one line, without a newline at its end" >&2
    exit 1
  fi
done
mkdir -p "$work"
settings=$work/server.properties
{ sed "s|/run/secrets|$secrets|g" "$here/enforcing.properties"; cat "$node"; } > "$settings"
data=$(sed -n 's/^log\.dirs=//p' "$settings" | tail -n 1)
if [ ! -f "$data/meta.properties" ]; then
  # In a file and not on the command line, which every process may read.
  arguments=$work/format.arguments
  trap 'rm -f "$arguments"' EXIT
  printf '%s\n' --add-scram "SCRAM-SHA-512=[name=admin,password=$(cat "$secrets/admin")]" > "$arguments"
  # What it prints has the keys that are made of the secret; errors come on stderr.
  "$bin/kafka-storage.sh" format --cluster-id "${CLUSTER_ID:-$("$bin/kafka-storage.sh" random-uuid)}" \
    --config "$settings" "@$arguments" > /dev/null
  rm -f "$arguments"
fi
exec "$bin/kafka-server-start.sh" "$settings"
