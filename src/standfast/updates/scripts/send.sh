# Arguments: ADDRESS PORT TOKEN SECONDS MTU…. Sends to another host's port for that long. See probe.pl.
perl -e "$probe_pl" send "$@" 2>&1 || say trouble "there is no perl to send with"
say end yes
