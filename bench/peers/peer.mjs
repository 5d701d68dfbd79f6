// The same function in Node.
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });
const call = (method, url, headers = {}, body) => new Promise((resolve, reject) => {
  const sent = request(url, { method, headers, agent }, answer => {
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
  const next = await call('GET', api + 'next');
  const event = JSON.parse(next.text);
  const { answer, text } = await call('POST', process.env.CHAT_URL + '/v1/chat/completions', headers, event.body);
  const reply = { statusCode: answer.statusCode, headers: { 'content-type': 'application/json' }, body: text };
  await call('POST', `${api}${next.answer.headers['lambda-runtime-aws-request-id']}/response`, {}, JSON.stringify(reply));
}
