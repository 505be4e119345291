// Sets the recording or composition settings with Twilio's own library, as the samples of its documentation do:
//
//	node settings.js composition '{"friendlyName": "Upload encrypted", "encryptionEnabled": true, ...}'
//
// ROOMREEL_URL is the server, TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN sign in.
const twilio = require("twilio");

const base = new URL(process.env.ROOMREEL_URL);

// ToServer sends what is meant for Twilio's hosts to another server: all that an application has to change.
class ToServer extends twilio.RequestClient {
  request(opts) {
    const uri = new URL(opts.uri);
    return super.request({ ...opts, uri: base.origin + uri.pathname + uri.search });
  }
}

async function main([kind, text]) {
  const client = twilio(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN, { httpClient: new ToServer() });
  const settings = kind === "recording" ? client.video.v1.recordingSettings : client.video.v1.compositionSettings;
  const made = await settings().create(JSON.parse(text));
  const read = await settings().fetch();
  if (JSON.stringify(made) !== JSON.stringify(read)) {
    throw new Error(`set ${JSON.stringify(made)}, read ${JSON.stringify(read)}`);
  }
  console.log(JSON.stringify(read));
}

main(process.argv.slice(2)).catch((problem) => {
  console.error(problem);
  process.exit(1);
});
