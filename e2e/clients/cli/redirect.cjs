// Sends what twilio-cli means for Twilio's hosts to the server at ROOMREEL_URL:
//   NODE_OPTIONS="--require /path/to/redirect.cjs" twilio api:video:v1:rooms:list
const http = require('http');
const https = require('https');

const base = new URL(process.env.ROOMREEL_URL);
const twilio = new Set(['video.twilio.com', 'accounts.twilio.com']);
const original = https.request;

https.request = (options, ...rest) => {
  if (!options || !twilio.has(options.hostname)) return original(options, ...rest);
  const headers = { ...options.headers };
  for (const name of Object.keys(headers)) if (name.toLowerCase() === 'host') delete headers[name];
  const secure = base.protocol === 'https:';
  const to = {
    ...options, headers, protocol: base.protocol, hostname: base.hostname, host: base.hostname,
    port: base.port || (secure ? 443 : 80), agent: undefined, agents: undefined,
  };
  return (secure ? original : http.request)(to, ...rest);
};
