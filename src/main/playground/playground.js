// The playground: asks the function as any client would, and shows what went over the Runtime API for it.

const $ = id => document.getElementById(id);
const log = $('log');
const message = $('message');

let turns = [];       // of this chat, oldest first
let running = null;   // the turn that waits for its answer, or for the rest of it
let shown = null;     // the turn whose event and answer are to be seen
let laidOut = {};     // the event as it is on the page
let unfolded = false; // whether the whole event is to be seen, and not its body alone

function el(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text; // never as HTML: a model wrote it
  return element;
}

// --- Asking

function request(text) {
  const messages = $('system').value ? [{ role: 'system', content: $('system').value }] : [];
  for (const turn of turns) {
    if (turn.said.textContent && !turn.failed) {
      messages.push({ role: 'user', content: turn.text }, { role: 'assistant', content: turn.said.textContent });
    }
  }
  const body = { messages: [...messages, { role: 'user', content: text }] };
  if ($('model').value.trim()) body.model = $('model').value.trim();
  for (const name of ['temperature', 'max_tokens']) {
    if ($(name).value !== '') body[name] = Number($(name).value);
  }
  if ($('stream').checked) body.stream = true;
  return JSON.stringify(body);
}

async function ask(text) {
  const body = request(text);
  const headers = { 'content-type': 'application/json' };
  if ($('key').value) headers.authorization = `Bearer ${$('key').value}`;
  const turn = running = begin(text);
  headers['x-playground-exchange'] = turn.id; // so that its event can be seen, and it be stopped, before there is an answer
  watch(turn);
  const start = performance.now();
  try {
    const response = await fetch('/v1/chat/completions', { method: 'POST', headers, body, signal: turn.abort.signal });
    turn.first = performance.now() - start;
    turn.status = response.status;
    turn.serverTiming = response.headers.get('server-timing');
    if (shown === turn) look(turn);
    if (!response.ok) {
      const body = await response.text();
      turn.total = performance.now() - start; // without what is asked for now: why the function failed, if it did
      await record(turn);
      fail(turn, { ...told(turn.exchange?.functionError ?? body), headers: response.headers, body });
    } else if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
      await stream(turn, response.body);
    } else {
      whole(turn, await response.text());
    }
  } catch (e) {
    fail(turn, turn.status ? { message: 'The answer broke off: the connection to dev mode was lost.', code: e.message }
      : { message: 'Dev mode does not answer: it was stopped, or is still starting. Start it (./mvnw quarkus:dev), then send this again.',
        where: 'No connection', code: e.message });
  }
  turn.total ??= performance.now() - start;
  end(turn);
}

function whole(turn, text) {
  let completion;
  try {
    completion = JSON.parse(text);
  } catch {
    fail(turn, { message: 'The answer is not JSON, so no text was found in it.', body: text });
    return;
  }
  say(turn, completion?.choices?.[0]?.message?.content);
  turn.usage = completion?.usage;
}

async function stream(turn, body) {
  const events = new EventStream();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece; !(piece = await reader.read()).done;) {
    for (const data of events.push(piece.value)) {
      if (data === '[DONE]') turn.done = true;
      else if (!turn.done) event(turn, data);
    }
  }
  if (!turn.done && !turn.failed) {
    fail(turn, { message: 'The stream ended without its end marker: the answer may not be whole.', code: 'no data: [DONE]' });
  }
}

function event(turn, data) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    fail(turn, { message: 'A part of the stream is not JSON.', body: data });
    return;
  }
  if (chunk.error) fail(turn, { ...told(data), where: `HTTP ${turn.status}, then an error in the stream`, body: data });
  say(turn, chunk.choices?.[0]?.delta?.content);
  turn.usage = chunk.usage ?? turn.usage;
}

/** What an error says: in the form of the OpenAI SDKs, in that of a function that failed, or in any other. */
function told(body) {
  try {
    const document = JSON.parse(body);
    const error = document.error ?? document;
    if (typeof error === 'string') return { message: error };
    return { message: error.message ?? error.errorMessage, code: error.code ?? error.type ?? error.errorType };
  } catch {
    const words = body.trim();
    return { message: words.length > 200 || words.includes('<') ? 'The answer is an error, and not JSON.' : words };
  }
}

/** Server-sent events, wherever the text is cut: push() returns the data of those that are complete. */
class EventStream {
  #rest = '';
  #data = [];

  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/); // what follows a last \r may be its \n
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length) events.push(this.#data.join('\n'));
        this.#data = [];
      } else if (line.startsWith('data:')) { // else a comment, or a field of no interest
        this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
    return events;
  }
}

/** Lambda would let the function run on, and bill it; here it is told to give up too, before anything else is asked of it. */
function stop() {
  const turn = running;
  if (!turn || turn.stopped) return;
  turn.stopped = true;
  fetch(`/_playground/stop?id=${turn.id}`, { method: 'POST', keepalive: true })
    .catch(() => {}).finally(() => turn.abort.abort());
}

// --- The conversation

function begin(text) {
  $('empty').hidden = true;
  const turn = { text, id: crypto.randomUUID(), abort: new AbortController(), article: el('article', 'turn busy'), said: el('p', 'said') };
  turn.article.append(el('h3', 'unseen', 'You'), el('p', 'you', text), el('h3', 'unseen', 'Answer'), turn.said);
  log.append(turn.article);
  log.setAttribute('aria-busy', 'true'); // to be read out when it is whole, not word by word
  log.scrollTop = log.scrollHeight;
  turns.push(turn);
  $('status').textContent = 'Waiting for the answer';
  busy(true);
  return turn;
}

function say(turn, content) {
  const text = Array.isArray(content) ? content.map(part => part.text ?? '').join('') : content;
  if (text) following(() => turn.said.append(text));
}

/** Says what went wrong in words, then where, then all that the answer told of it. */
function fail(turn, { message, where, code, headers, body }) {
  if (turn.stopped) return; // then it is no wonder
  turn.failed = message || 'An error without a message.';
  const problem = el('div', 'problem');
  problem.append(el('h3', '', turn.failed), el('p', 'where', [where ?? `HTTP ${turn.status}`, code].filter(Boolean).join(' · ')));
  if (body) problem.append(details(headers, body));
  following(() => turn.article.append(problem));
}

function details(headers, body) {
  const details = el('details');
  details.append(el('summary', '', headers ? 'Headers and body' : 'As it came'));
  if (headers) {
    const list = el('dl');
    for (const [name, value] of headers) {
      if (!['date', 'transfer-encoding', 'content-length', 'x-playground-exchange'].includes(name)) {
        list.append(el('dt', '', name), el('dd', '', value));
      }
    }
    details.append(list);
  }
  const pre = el('pre');
  pre.append(...json(body));
  details.append(pre);
  return details;
}

function end(turn) {
  turn.article.classList.remove('busy');
  if (turn.stopped) turn.article.append(el('p', 'note', 'Stopped. On Lambda the function would run on to its end.'));
  else if (!turn.failed && !turn.said.textContent) turn.article.append(el('p', 'note', 'No text in this answer: see it over the wire.'));
  following(() => turn.article.append(cost(turn)));
  if (running === turn) {
    running = null;
    busy(false);
    log.setAttribute('aria-busy', 'false');
    if (turn.failed) $('status').textContent = `Error: ${turn.failed}`;
    else $('status').textContent = turn.stopped ? 'Stopped' : 'Answered';
  }
  if (turns.includes(turn)) look(turn);
}

function busy(now) {
  const focused = document.activeElement === $('stop') || document.activeElement === $('send');
  $('send').hidden = now;
  $('stop').hidden = !now;
  if (focused) (now ? $('stop') : message).focus();
}

/** Makes a change to the log, whose end stays in sight if it was. */
function following(change) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  change();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** The function's own times are in server-timing; around them is what this page had to wait for besides. */
function cost(turn) {
  const button = el('button', 'cost');
  button.type = 'button';
  const bar = el('span', 'bar');
  const legend = el('span', 'legend');
  const told = Object.fromEntries([...(turn.serverTiming ?? '').matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, +ms]));
  const parts = [];
  if (turn.first === undefined) {
    parts.push(['around', 'no answer for', turn.total]);
  } else {
    parts.push(['around', told.total === undefined ? 'first byte' : 'local', Math.max(0, turn.first - (told.total ?? 0))],
      ['rest', 'the rest', Math.max(0, turn.total - turn.first)]);
  }
  if (told.total !== undefined) {
    parts.unshift(['upstream', 'upstream', told.upstream], ['own', 'function', Math.max(0, told.total - told.upstream)]);
  }
  for (const [name, title, ms] of parts) {
    const part = el('i', name);
    part.style.flexGrow = ms;
    bar.append(part);
    const item = el('span', `swatch ${name}`, `${title} `);
    item.append(el('b', '', time(ms)));
    legend.append(item);
  }
  const usage = turn.usage && `${turn.usage.prompt_tokens ?? '?'} + ${turn.usage.completion_tokens ?? '?'} tokens`;
  const spent = el('span', 'spent');
  spent.append(bar, el('span', 'facts', [turn.status, usage, time(turn.total)].filter(Boolean).join(' · ')));
  button.append(spent, legend);
  button.title = 'Up to the first byte: the upstream, the function itself, and all between this page and it. Then the rest of the answer.'
    + ' Tokens: of the request + of the answer. Click to see event and answer.';
  button.addEventListener('click', () => {
    look(turn);
    if (getComputedStyle($('wire').parentElement).display === 'block') {
      $('wire').scrollIntoView({ block: 'start' });
      $('wire').focus({ preventScroll: true });
    }
  });
  turn.cost = button;
  return button;
}

function time(ms) {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function newChat() {
  stop();
  turns.forEach(turn => turn.article.remove());
  turns = [];
  $('empty').hidden = false;
  look(null);
  message.focus();
}

// --- Over the wire

/** Shows the turn, and what has gone over for it so far. */
function look(turn) {
  select(turn);
  if (turn && !turn.settled) record(turn);
}

function select(turn) {
  shown = turn;
  turns.forEach(each => each.cost?.setAttribute('aria-pressed', each === turn));
  show();
}

/** While it waits for its answer, its event is to be seen: it is there as soon as the request has reached dev mode. */
async function watch(turn) {
  select(turn);
  while (running === turn && !turn.exchange) {
    await new Promise(wake => setTimeout(wake, 50));
    await record(turn);
  }
}

async function record(turn) {
  const whole = turn.total !== undefined; // else what is there so far
  let exchange;
  try {
    const response = await fetch(`/_playground/exchange?id=${turn.id}`);
    if (response.ok) exchange = await response.json();
  } catch { // dev mode was stopped
  }
  if (turn.settled) return; // a later one was quicker
  turn.exchange = exchange ?? turn.exchange;
  turn.settled = whole;
  if (shown === turn) show();
}

function show() {
  const exchange = shown?.exchange;
  const waits = shown && shown.total === undefined;
  $('wire').setAttribute('aria-busy', String(!!shown && !shown.settled && !(waits && exchange)));
  $('which').textContent = shown?.text ?? 'nothing yet';
  const event = exchange ? decode([exchange.event]).join('') : '';
  const chunks = exchange ? decode(exchange.chunks) : [];
  const answer = chunks.join('');
  const raw = $('bytes').checked;
  if (event !== laidOut.event || raw !== laidOut.raw) {
    laidOut = { event, raw }; // once: who reads it, or has it selected, is not disturbed when the answer comes
    $('event').replaceChildren(...raw ? [event] : bodyFirst(event), ...exchange ? cut([exchange.event], exchange.eventBytes) : []);
  }
  $('answer').replaceChildren(...raw ? legible(answer) : parts(chunks), ...endings(exchange));
  if (waits && exchange) $('answer').append(el('p', 'awaited', answer ? 'More of it is awaited.' : 'The answer is awaited.'));
  if (shown?.settled && !exchange) $('answer').append(el('p', 'awaited', 'Nothing is known of this turn: it did not reach dev mode.'));
  $('event-size').textContent = exchange ? size(exchange.eventBytes) : '';
  $('answer-size').textContent = answer ? size(exchange.answerBytes, chunks.length) : '';
  copies('event', event);
  copies('answer', answer);
}

/** The body is what one looks for; around it Lambda and the browser have put three times as much. */
function bodyFirst(text) {
  let event;
  try {
    event = JSON.parse(text);
  } catch { // of which no more than the first MB is kept
    return legible(text);
  }
  if (!event.body) return json(text);
  const body = el('div', 'body');
  body.append(...json(event.isBase64Encoded ? decode([event.body]).join('') : event.body));
  const whole = el('div', 'whole');
  whole.append(...json(text));
  const details = el('details');
  details.open = unfolded;
  details.addEventListener('toggle', () => unfolded = details.open);
  details.append(el('summary', '', 'The whole event, with headers'), whole);
  return [el('h4', '', `Body of ${event.requestContext?.http?.method ?? ''} ${event.rawPath ?? ''}`), body, details];
}

function copies(name, text) {
  $(`${name}-copy`).hidden = !text;
  $(`${name}-copy`).onclick = async () => {
    await navigator.clipboard.writeText(text);
    $('status').textContent = 'Copied';
  };
}

/** Base64 to text, a character that is cut in two to the second part. */
function decode(parts) {
  const decoder = new TextDecoder();
  return parts.map((part, i) => decoder.decode(Uint8Array.from(atob(part), c => c.charCodeAt(0)), { stream: i < parts.length - 1 }));
}

/** A streamed answer is a prelude, eight NULs, and the body in chunks; any other is one document. */
function parts(chunks) {
  const answer = chunks.join('');
  const nuls = answer.indexOf('\0'.repeat(8));
  if (nuls < 0 && chunks.length < 2) return json(answer);
  const nodes = [];
  let at = 0;
  for (const chunk of chunks) {
    const from = Math.max(0, nuls + 8 - at);
    at += chunk.length;
    if (nuls >= 0 && at === chunk.length) nodes.push(...json(answer.slice(0, nuls)), ...legible('\0'.repeat(8)));
    if (chunk.slice(from)) {
      nodes.push(el('span', 'chunk'));
      nodes.at(-1).append(...json(chunk.slice(from).trimEnd(), breakable));
    }
  }
  return nodes;
}

function endings(exchange) {
  if (!exchange) return [];
  const nodes = cut(exchange.chunks, exchange.answerBytes);
  if (exchange.functionError) nodes.push(el('span', 'ending', `function error: ${exchange.functionError}`));
  if (exchange.trailer) nodes.push(el('span', 'ending', `error trailer: ${exchange.trailer}`));
  return nodes;
}

function cut(parts, bytes) {
  const kept = parts.reduce((sum, part) => sum + atob(part).length, 0);
  return kept < bytes ? [el('span', 'ending', 'of which no more than the first MB is kept')] : [];
}

function legible(text) {
  return text.split(/(\0+)/).map((part, i) => i % 2 ? el('span', 'nul', '\\0'.repeat(part.length)) : part);
}

/** Lines of an event stream are long and without spaces: they may be broken after each comma. */
function breakable(text) {
  return text.split(/(?<=,)/).flatMap((part, i) => i ? [el('wbr'), part] : [part]);
}

function size(bytes, chunks) {
  const amount = bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  return chunks > 1 ? `${amount} in ${chunks} chunks` : amount;
}

/** The document indented, token by token as it was; what is not JSON as it is, or as otherwise() lays it out. */
function json(text, otherwise = legible) {
  try {
    JSON.parse(text);
  } catch {
    return otherwise(text);
  }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g);
  const lines = [];
  let depth = 0;
  const newLine = () => {
    lines.push(el('span', 'line', '  '.repeat(depth)));
    lines.at(-1).style.setProperty('--depth', depth);
  };
  newLine();
  tokens.forEach((token, i) => {
    const opens = '{['.includes(token);
    const closes = '}]'.includes(token);
    if (closes) depth--;
    if (closes && !'{['.includes(tokens[i - 1])) newLine();
    lines.at(-1).append(token[0] === '"' && tokens[i + 1] === ':' ? el('span', 'name', token) : token === ':' ? ': ' : token);
    if (opens) depth++;
    if (token === ',' || opens && !'}]'.includes(tokens[i + 1])) newLine();
  });
  lines.forEach(line => line.append('\n'));
  return lines;
}

// --- Hands

function grow() {
  message.style.height = 'auto';
  message.style.height = `${message.scrollHeight}px`;
}

function send(text) {
  if (running || !text.trim()) return;
  message.value = '';
  grow();
  ask(text);
}

$('composer').addEventListener('submit', e => {
  e.preventDefault();
  send(message.value);
});

message.addEventListener('input', grow);
message.addEventListener('keydown', e => {
  if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    send(message.value);
  } else if (e.key === 'ArrowUp' && !message.value && turns.length) {
    e.preventDefault();
    message.value = turns.at(-1).text;
    grow();
  }
});

document.addEventListener('keydown', e => {
  if (e.key === 'Escape' && !e.isComposing) {
    stop();
  } else if (e.key.toLowerCase() === 'k' && (e.ctrlKey || e.metaKey) && !e.shiftKey && !e.altKey) {
    e.preventDefault();
    newChat();
  } else if (e.key === '/' && !e.ctrlKey && !e.metaKey && !e.target.closest('input, textarea')) {
    e.preventDefault();
    message.focus();
  }
});

$('stop').addEventListener('click', stop);
$('new').addEventListener('click', newChat);
$('bytes').addEventListener('change', show);
$('stub').addEventListener('click', e => {
  if (!e.target.matches('button')) return;
  $('model').value = e.target.textContent;
  message.focus();
});
$('openers').addEventListener('click', e => e.target.matches('button') && send(e.target.textContent));
$('more').addEventListener('click', () => {
  $('parameters').hidden = !$('parameters').hidden;
  $('more').setAttribute('aria-expanded', !$('parameters').hidden);
  if (!$('parameters').hidden) $('system').focus();
});
if (navigator.platform.startsWith('Mac')) document.querySelector('#new kbd').textContent = '⌘ K';
message.focus();

const upstream = await (await fetch('/_playground/upstream')).json();
$('stub').hidden = !upstream.stub;
