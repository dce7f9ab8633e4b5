//! What `--help` prints: one screen that teaches.

/// The help.
pub const HELP: &str = "\
encke-bench: loads a server of WebSockets, event streams or long-polls

usage: encke-bench COMMAND ws://HOST:PORT[/PATH] | http://… [OPTION…]

  density   open -n connections and hold them; with --pid: memory for each
  fanout    -n subscribers of one channel; publish; how late do they get it?
  echo      round trips on -n connections
  churn     connect, shake hands, subscribe, close; -n at a time
  poll      -n parked long-polls; publish; all are released and park again

  -n, --connections N   how many              --rate R     a second; else: as
  --duration S  [5]     measured seconds                   fast as answers come
  --warmup S    [1]     before that           --depth N    in flight, without
  --size BYTES  [128]   of a message                       --rate      [1]
  --preset encke|comet|pusher|nchan|ws        --transport ws|sse|stream|poll
  --subscribe TEXT      sent once connected   --ready TEXT answered when it is on
  --publish 'POST /PATH' or TEXT of a frame   --header 'NAME: VALUE'  repeatable
  --channel NAME [bench]        in paths and texts: {channel} {i} {message}
  --workers N   processes, each with its own descriptors, ports and core
  --sources N   connect from 127.0.0.1, .2, … (28,000 ports each)
  --pid PID[,…] the server's: its processor time and memory
  --steps N [5] samples of density            --hold S [2] watch them, then
  --json        one object instead of a table --svg FILE   a picture
  --quiet       no progress bar               --i-own-this-server  not loopback

examples:
  encke-bench fanout http://127.0.0.1:8080 -n 1000 --rate 20 --pid $(pidof encke)
  encke-bench density ws://127.0.0.1:8080 -n 50000 --workers 3 --sources 2 --svg m.svg
  encke-bench poll http://127.0.0.1:80 --preset nchan      (/sub/NAME, /pub/NAME)
  encke-bench echo ws://127.0.0.1:9001/ --preset ws -n 100 --rate 10000
";
