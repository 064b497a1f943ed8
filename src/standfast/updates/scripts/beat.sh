# Arguments: ADDRESS PORT TOKEN SECONDS. Asks another host's port for that long whether it is there. See probe.pl.
perl -e "$probe_pl" beat "$@" 2>&1 || say trouble "there is no perl to ask with"
say end yes
