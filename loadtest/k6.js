// Signed requests against a running Botgate: each is signed as its sender would, some wrongly on purpose.
//
//   BASE     where Botgate listens        http://127.0.0.1:8080
//   SECRET   of the bots below            load-secret
//   PROFILE  smoke (10 s) | load (2 min, rising) | soak (30 min)
//
// Bots: /hook (preset hmac), /stripe (preset stripe), as loadtest/served.py configures them.
import http from 'k6/http';
import { check } from 'k6';
import { hmac } from 'k6/crypto';
import { Counter } from 'k6/metrics';

const BASE = __ENV.BASE || 'http://127.0.0.1:8080';
const SECRET = __ENV.SECRET || 'load-secret';
const PROFILE = __ENV.PROFILE || 'smoke';

const PROFILES = {
  smoke: { executor: 'constant-vus', vus: 8, duration: '10s' },
  load: {
    executor: 'ramping-arrival-rate',
    startRate: 500,
    timeUnit: '1s',
    preAllocatedVUs: 200,
    maxVUs: 1000,
    stages: [
      { target: 2000, duration: '30s' },
      { target: 2000, duration: '60s' },
      { target: 0, duration: '30s' },
    ],
  },
  soak: { executor: 'constant-arrival-rate', rate: 500, timeUnit: '1s', duration: '30m', preAllocatedVUs: 100 },
};
if (!(PROFILE in PROFILES)) {
  throw new Error(`PROFILE is one of ${Object.keys(PROFILES).join(', ')}, not ${PROFILE}`);
}

const believed = new Counter('wrongly_believed');

export const options = {
  scenarios: { [PROFILE]: PROFILES[PROFILE] },
  thresholds: {
    checks: ['rate==1'],
    wrongly_believed: ['count==0'],
    // The smoke runs beside whatever else a machine does, on a debug build: it asserts answers alone.
    ...(PROFILE === 'smoke' ? {} : { 'http_req_duration{kind:right}': ['p(99)<250'] }),
  },
};

// A 401 that was provoked is no failure.
http.setResponseCallback(http.expectedStatuses(200, 401));

const bodies = [
  JSON.stringify({ text: 'hello' }),
  JSON.stringify({ text: 'x'.repeat(16 * 1024) }),
  JSON.stringify({ text: 'Grüße ✓', nested: { list: [1, 2, 3] } }),
];

function signed(body, secret) {
  return { 'X-Webhook-Signature': `sha256=${hmac('sha256', secret, body, 'hex')}` };
}

function stripe(body, secret) {
  const now = Math.floor(Date.now() / 1000);
  return { 'Stripe-Signature': `t=${now},v1=${hmac('sha256', secret, `${now}.${body}`, 'hex')}` };
}

export default function () {
  const body = bodies[__ITER % bodies.length];
  const [path, sign] = __ITER % 2 ? ['/hook', signed] : ['/stripe', stripe];
  const json = { 'Content-Type': 'application/json' };

  const right = http.post(BASE + path, body, { headers: { ...json, ...sign(body, SECRET) }, tags: { kind: 'right' } });
  check(right, {
    'a right signature passes': (reply) => reply.status === 200,
    'the answer has an id': (reply) => Boolean(reply.headers['X-Request-Id']),
  });

  if (__ITER % 5 === 0) {
    const wrong = http.post(BASE + path, body, { headers: { ...json, ...sign(body, 'wrong') }, tags: { kind: 'wrong' } });
    check(wrong, { 'a wrong signature is a 401': (reply) => reply.status === 401 });
    believed.add(wrong.status === 401 ? 0 : 1);
  }
}
