// encke's client for pages made for CometServerApi: the same calls, over WebSocket, SSE or long-poll,
// without loss or doubles when a connection breaks, and with one connection for all tabs of a browser.
// It is served without indentation and without the lines that are only comments.
(function () {
"use strict";
if (window.cometServerApi) return;

const { assign } = Object, encode = encodeURIComponent;
const random = (n = 32) => Array.from(crypto.getRandomValues(new Uint8Array(n)), b => (b & 31).toString(32)).join("");
const parse = text => { try { return JSON.parse(text); } catch (e) {} };
const room = name => { try { return new BroadcastChannel(name); } catch (e) {} };
const trim = list => list.size > 2000 && list.delete(list.keys().next().value);
// At once, but a fault of the page stops nobody else: it is shown as a rejection that nobody handles.
const call = (fn, ...args) => new Promise(() => fn(...args));
// A browser may forbid its storage, or have it full: then nothing is kept.
let local = {}, session = {};
try { local = localStorage; session = sessionStorage; } catch (e) {}
const keep = (store, name, value) => {
  try { store[name] = value; } catch (e) {}
  return value;
};
const tab = random(), uuid = local.comet_server_uuid || keep(local, "comet_server_uuid", random());

// Who listens to what: [slot, signal, function].
class Signals {
  constructor() { this.list = []; }
  connect(...one) {
    if (!one[2]) one.unshift(random());
    this.list.push(one);
    return one[0];
  }
  disconnect(slot, signal) {
    const was = this.list;
    this.list = was.filter(one => one[0] !== slot || one[1] !== signal);
    return this.list.length < was.length;
  }
  emit(signal, param) {
    this.list.filter(one => one[1] === signal).forEach(one => call(one[2], param, signal));
  }
}

// ---- The signal bus of pages, over all tabs
const tabs = room("encke"), emitAll = (...what) => {
  tabSignal.emit(...what);
  if (tabs) tabs.postMessage(what);
};
const setState = (name, value) => {
  keep(local, "comet_" + name, JSON.stringify(value));
  emitAll(name, value);
};
const tabSignal = assign(new Signals(), {
  emitAll, setState,
  send_emit: emitAll,
  getState: name => parse(local["comet_" + name]),
  intervalUpdateState: (name, make, ms) => setInterval(() => setState(name, make()), ms || 1e3),
  getTabUUID: () => tab,
});
if (tabs) tabs.onmessage = e => tabSignal.emit(...e.data);

function Api() {
  const api = this, bus = new Signals();
  const opts = { dev_id: 0, uuid, ws: true, wss: /https:/.test(location.protocol + Api.home) };
  const queue = new Map(), marks = new Map(), past = new Set(), started = [];
  let links = [], lists = {}, known, leave, shared, leads, leader, auth, realKey, soon;

  // ---- The connection to one node, open in the tab that leads
  function Link(node) {
    // From here another tab can go on: the session, the cursors, the pipes that these are good for.
    const at = { id: random(), since: "", msg: "", held: [] };
    // 0 is WebSocket, 1 SSE, 2 long-poll; is it known that WebSockets do not get through?
    const name = "encke " + node, [was, until] = String(session[name]).split(","), posts = [];
    let sure = until > Date.now(), via = sure ? +was : 0, good;
    let source, run, tries = 0, number = Date.now();

    // What an older attempt still says comes too late.
    const mine = (fn, now = run) => arg => run === now && fn(arg);
    const later = (ms, fn) => setTimeout(mine(fn), ms);
    const url = (scheme, more = "") => `${scheme}${opts.wss ? "s" : ""}://${node}/ws/`
      + `sesion=${encode(opts.user_key)}&myid=${encode(opts.user_id)}&devid=${opts.dev_id}`
      + `&v=5.0&uuid=${encode(opts.uuid)}&api=encke&session=${at.id}`
      + `&pipes=${at.held}&since=${at.since}&msg=${at.msg}${more}`;
    const ask = (more, init) => fetch(url("http", more), init).then(answer =>
      answer.status > 499 ? Promise.reject() : answer.status === 304 ? [] : answer.json());

    function end() {
      run = {};
      at.up = false;
      if (source) source.close();
    }
    function open() {
      end();
      if (!navigator.onLine) return later(1e3, open);
      if (!via && !opts.ws) via = 1;
      // Later only what was held is resumed; what is new is asked for when the connection is up.
      if (!at.since) at.held = wanted();
      if (via > 1) return poll();
      later(5e3, () => run.heard || retry());
      try {
        source = via ? new EventSource(url("http")) : new WebSocket(url("ws"));
        const got = mine(hear);
        source.onmessage = e => e.data.split("\n").forEach(line => got(parse(line)));
        source.onclose = source.onerror = mine(retry);
      } catch (e) { later(0, retry); }
    }
    function poll() {
      const stop = new AbortController(), got = mine(hear), again = mine(poll);
      source = { close: () => stop.abort() };
      later(4e4, source.close);
      // Still parked after a second: it got through.
      if (at.since) later(1e3, hear);
      ask("&transport=poll", { signal: stop.signal }).then(list => {
        if (list.error > 400) got(list);
        // {} is a sign of life; what is no list has no concat, and is lost.
        list.concat({}).forEach(got);
        again();
      }).catch(mine(retry));
    }
    function hear(m = {}) {
      run.heard = true;
      tries = 0;
      take(m);
      if (at.up || !run.heard) return;
      at.up = true;
      good = via;
      if (via) {
        // WebSocket again: soon, in case the server was just away, and then seldom.
        if (sure) keep(session, name, [via, Date.now() + 6e5]);
        later(sure ? 6e5 : 3e3, () => { sure = true; via = 0; open(); });
      } else delete session[name];
      tell();
      sync();
    }
    function take(m) {
      // The server does not want us: for ever.
      if (m.error > 400 && "data" in m) end(link.open = end);
      post({ link: links.indexOf(link), m });
      arrived(link, m);
    }
    function retry() {
      if (!run.heard && (via !== good || tries > 3)) via = tries || !good ? (via + 1) % 3 : good;
      end();
      later(Math.min(3e4, 300 * 2 ** tries++) * (0.5 + Math.random()), open);
      tell();
    }
    // The list replaces the one before.
    function sync() {
      const list = wanted();
      if (!at.up || list + "" === at.held + "") return;
      at.held = list;
      tell();
      via ? open() : send("subscription\n" + list.join("\n"));
    }
    function send(text) {
      if (!via) source.send(text);
      else if (posts.push([number++, text]) === 1) pump();
    }
    // One at a time; a retry keeps the number.
    const pump = () => links.includes(link) && ask("&n=" + posts[0][0], { method: "POST", body: posts[0][1] })
      .then(list => {
        [].concat(list).forEach(take);
        if (posts.shift() && posts[0]) pump();
      }, () => setTimeout(pump, 1e3));
    const link = { node, at, open, end, sync, send };
    return link;
  }

  // ---- One connection for all tabs: every tab knows all, and the one with the lock leads
  const post = news => shared && shared.postMessage(news);
  const all = what => leads && links.forEach(link => link[what]());
  const wanted = () => [...new Set([].concat(...Object.values(lists)))].sort().slice(0, 256);
  function tell() {
    post({ lead: tab, lists, ats: links.map(link => link.at) });
    flush();
  }
  function flush() {
    const open = links.filter(link => link.at.up);
    if (!leads) return;
    started.splice(0).forEach(fn => call(fn));
    if (open[0]) queue.forEach((text, id) => {
      open.forEach(link => link.send(text));
      queue.delete(id);
      post({ done: id });
    });
  }
  function hello() {
    const pipes = lists[tab] = bus.list.map(one => one[1].split(".")[0])
      .filter(name => /^(?!_answer|(msg|sys)$)[\w-]{2,64}$/.test(name));
    post({ tab, pipes });
    all("sync");
  }
  function told(news) {
    const { m, lead } = news;
    if (news.tab) lists[news.tab] = news.pipes;
    if (news.text) queue.set(news.id, news.text);
    delete lists[news.bye];
    queue.delete(news.done);
    if (m) arrived(links[news.link], m);
    if (leads) {
      news.tab ? tell() : flush();
      return all("sync");
    }
    if (!lead) return;
    ({ lists } = news);
    links.forEach(({ at }, i) => assign(at, news.ats[i]));
    judge();
    if (leader !== lead) hello(leader = lead);
  }
  function lead() {
    leads = true;
    delete lists[leader];
    hello();
    all("open");
    tell();
  }

  // ---- What arrives
  const seen = key => past.has(key) || void trim(past.add(key));
  function judge() {
    const now = links.reduce((ok, { at }) => ok || at.ok, undefined);
    if (now !== auth) bus.emit((auth = now) ? "=yes" : "=no");
  }
  function arrived({ node, at }, m) {
    const { pipe, event, id, marker, history, user_id = 0 } = m;
    let { data } = m;
    if (local.comet_LogLevel > 0) console.log(m);
    if (m.authorized !== undefined) {
      assign(at, { ok: /true/.test(m.authorized), since: at.since || id, msg: at.msg || m.msg });
      realKey = data || realKey;
      return judge();
    }
    if (data === undefined || marker && !marks.has(marker)) return;
    if (pipe === "_answer_subscription") return at.since = id;
    if (id && !history) {
      at[pipe === "msg" ? "msg" : "since"] = id;
      if (seen(node + pipe + id)) return;
    }
    if (typeof data === "string") {
      const value = parse(data);
      if (value !== undefined && (value !== +value || value + "" === data)) data = value;
    }
    const uuid = data && data._cometApi_uuid || m.uuid;
    if (uuid && seen(uuid)) return;
    if (data) delete data._cometApi_uuid;
    const param = { data, server_info: { user_id, pipe, event, history, marker, uuid } }, fn = marks.get(marker);
    bus.emit(pipe, param);
    if (event || event === 0) bus.emit(pipe + "." + event, param);
    if (fn && marks.delete(marker)) call(fn, param);
    bus.emit("", param);
  }

  // ---- What pages call
  function mark(fn) {
    const marker = random();
    trim(marks.set(marker, fn));
    return marker;
  }
  const say = (...lines) => api.send_msg(lines.join("\n"));
  function publish(pipe, event, value) {
    if (!/^web(auth)?_/.test(pipe)) return console.error("not web_: " + pipe);
    const data = JSON.stringify(value), user_id = auth ? +opts.user_id : 0;
    // The server leaves out the connection that a message came by: its other tabs hear it from here.
    if (auth || pipe[3] === "_") post({ link: 0, m: { pipe, event, data, user_id } });
    return say("web_pipe2", pipe, event, "*", data);
  }
  function begin(anew) {
    let all = [].concat(opts.nodes || opts.node || opts.nodeArray || new URL(Api.home).host);
    if (opts.roundrobin) all = [all[(+opts.user_id || uuid.charCodeAt(0)) % all.length]];
    const name = JSON.stringify([all, opts.dev_id, opts.user_id, opts.user_key]);
    if (links[0] && !anew && name === known) return flush();
    api.stop();
    known = name;
    const now = links = all.map(Link), start = () => now === links && lead();
    shared = navigator.locks && room(name);
    hello();
    if (!shared) return setTimeout(start);
    shared.onmessage = e => told(e.data);
    navigator.locks.request(name, () => now === links && new Promise(end => {
      leave = end;
      start();
    })).catch(start);
  }
  assign(api, {
    options: opts,
    start(opt, fn, anew) {
      assign(opts, opt);
      if (fn) started.push(fn);
      begin(anew);
      return true;
    },
    restart: opt => api.start(opt, 0, true),
    stop() {
      post({ bye: tab });
      links.forEach(link => link.end());
      links = [];
      lists = {};
      if (shared) shared.close();
      if (leave) leave();
      leave = shared = leads = leader = auth = undefined;
    },
    subscription(name, fn = () => {}) {
      if (typeof name === "function") [name, fn] = ["", name];
      /[^#\w.\s-]/.test(name) && console.warn("odd pipe: " + name);
      const slot = random(), signals = name === "" ? [name] : String(name || "").split("\n")
        .filter(one => one[1]).map(one => one.replace(/^(#|answer_to_)/, "_answer_to_"));
      signals.forEach(signal => bus.connect(slot, signal, fn));
      clearTimeout(soon);
      soon = setTimeout(hello, 50);
      return signals.length > 0 && signals.join("\n") + "&&" + slot;
    },
    unsubscription(id) {
      const [signals, slot] = String(id).split("&&");
      return signals.split("\n").map(one => bus.disconnect(slot, one)).includes(true);
    },
    unsubscriptionAll: () => !!(bus.list = bus.list.filter(one => one[1][0] === "=")),
    send_msg(text) {
      const id = random();
      trim(queue.set(id, text));
      post({ id, text });
      flush();
      return leads ? !queue.has(id) : api.isConnected();
    },
    web_pipe_send(pipe, event, value) {
      if (arguments.length > 2) return publish(pipe, event, value);
      const [name, own] = pipe.split(/\.(.*)/);
      return publish(name, own || "undefined", event);
    },
    multi_web_pipe_send(pipe, event, value, times = 3, ms = 1e3) {
      const copy = assign({ _cometApi_uuid: "jsapi" + random(11) }, value);
      while (times-- > 0) setTimeout(publish, times * ms, pipe, event, copy);
    },
    count_users_in_pipe: (pipe, fn) => say("pipe_count", pipe, mark(fn), ""),
    get_pipe_log(pipe, fn) {
      if (fn) api.subscription(pipe, fn);
      return say("pipe_log", pipe.split(".")[0], mark(), "");
    },
    getTrackPipeUsers: (pipe, fn) => say("track_pipe_users", pipe, mark(fn)),
    getUserData: (id, fn) => say("user_data", mark(fn), id),
    sendStatistics: (name, version, data) =>
      say("statistics", JSON.stringify({ dev_id: opts.dev_id, name, version, data })),
    onAuthSuccess: fn => bus.connect("=yes", fn),
    onAuthFalill: fn => bus.connect("=no", fn),
    isAuthorized: () => auth,
    isMaster: () => !!leads,
    isConnected: () => links.some(link => link.at.up),
    UseWebSocket: use => use === undefined ? opts.ws : opts.ws = use,
    UseWss: use => use === undefined ? opts.wss : opts.wss = use,
    isUseWss: () => opts.wss,
    getUserId: () => opts.user_id,
    getUserKey: () => opts.user_key,
    getDevId: () => opts.dev_id,
    getUUID: () => opts.uuid,
    getTabUUID: () => tab,
    getRealUserKey: () => realKey || opts.user_key,
    setRealUserKey: key => realKey = key,
    getLogLevel: () => local.comet_LogLevel | 0,
    setLogLevel: level => keep(local, "comet_LogLevel", level),
    getCustomString: random,
    stripslashes: text => text.replace(/\\(.?)/g, "$1"),
    Base64: {
      encode: text => btoa(unescape(encode(text))),
      decode: text => decodeURIComponent(escape(atob(text))),
    },
  });
  addEventListener("online", () => all("open"));
  addEventListener("pagehide", e => e.persisted || post({ bye: tab }));
}
Api.home = (document.currentScript || 0).src || location;
const cometApi = new Api();
assign(window, {
  cometApi, tabSignal, cometServerApi: Api, _cometServerApi: Api,
  CometServer: () => cometApi,
  comet_server_signal: () => tabSignal,
  getCookie: name => (document.cookie.match(`(^|; )${name}=([^;]*)`) || [])[2],
});
})();
