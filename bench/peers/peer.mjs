// The same function in Node.
import http from 'node:http';

const upstream = process.env.CHAT_URL;
const chat = upstream.startsWith('https:') ? (await import('node:https')).default : http;
const agents = new Map([http, chat].map(kind => [kind, new kind.Agent({ keepAlive: true })]));
const call = (kind, method, url, headers = {}, body) => new Promise((resolve, reject) => {
  const sent = kind.request(url, { method, headers, agent: agents.get(kind) }, answer => {
    const chunks = [];
    answer.on('data', chunk => chunks.push(chunk));
    answer.on('end', () => resolve({ answer, text: Buffer.concat(chunks).toString() }));
  });
  sent.on('error', reject);
  sent.end(body);
});

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;
const headers = { authorization: `Bearer ${process.env.CHAT_API_KEY}`, 'content-type': 'application/json' };
for (;;) {
  const next = await call(http, 'GET', api + 'next');
  const event = JSON.parse(next.text);
  const { answer, text } = await call(chat, 'POST', upstream + '/v1/chat/completions', headers, event.body);
  const reply = { statusCode: answer.statusCode, headers: { 'content-type': 'application/json' }, body: text };
  await call(http, 'POST', `${api}${next.answer.headers['lambda-runtime-aws-request-id']}/response`, {}, JSON.stringify(reply));
}
