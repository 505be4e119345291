<?php
// Does the same as ../go/main.go with twilio/sdk, and reads the same variables. TWILIO_LIBRARY is the file that loads the library, as
// vendor/autoload.php. Only connect.php differs from an application for Twilio, and the upload, which Twilio does itself.

require getenv('TWILIO_LIBRARY');
require __DIR__ . '/connect.php';
require __DIR__ . '/media.php';

use Twilio\Exceptions\RestException;

const MAX_POLLS = 1200; // how often a composition is fetched, every 100 ms
const LAYOUT = [
    'alice' => ['video_sources' => ['alice-*'], 'x_pos' => 0, 'width' => 320, 'max_columns' => 1],
    'bob' => ['video_sources' => ['bob-*'], 'x_pos' => 320, 'width' => 320, 'max_columns' => 1],
];
const TRACKS = [
    ['alice-camera.mkv', 'alice', 'alice-camera', 0], ['alice-microphone.mka', 'alice', 'alice-microphone', 0],
    ['bob-camera.mkv', 'bob', 'bob-camera', 1000], ['bob-microphone.mka', 'bob', 'bob-microphone', 1000],
];

set_error_handler(function ($level, $message, $file, $line) { throw new ErrorException($message, 0, $level, $file, $line); });

function check(bool $holds, $answer = null): void
{
    if (!$holds) {
        throw new Exception('unexpected: ' . print_r($answer, true));
    }
}

function refused(int $status, int $code, callable $call): void
{
    try {
        $call();
    } catch (RestException $error) {
        check([$error->getStatusCode(), $error->getCode()] === [$status, $code] && $error->getMessage() !== '', $error->getMessage());
        return;
    }
    throw new Exception("not refused with $status and $code");
}

function sids(array $list): array
{
    return array_map(fn ($one) => $one->sid, $list);
}

function upload(string $room, array $track): string
{
    [$file, $identity, $name, $offset] = $track;
    $curl = curl_init(getenv('ROOMREEL_URL') . "/roomreel/v1/Rooms/$room/Recordings");
    curl_setopt_array($curl, [
        CURLOPT_USERPWD => getenv('TWILIO_API_KEY') . ':' . getenv('TWILIO_API_SECRET'),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_POSTFIELDS => [
            'ParticipantIdentity' => $identity, 'TrackName' => $name, 'OffsetMillis' => $offset,
            'Media' => new CURLFile(getenv('ROOM_FILES') . "/$file", null, $file),
        ],
    ]);
    $answer = curl_exec($curl);
    check(curl_getinfo($curl, CURLINFO_RESPONSE_CODE) === 201, $answer);
    return json_decode($answer)->sid;
}

function wait(string $sid)
{
    global $video;
    for ($i = 0; $i < MAX_POLLS; $i++) {
        $composition = $video->compositions($sid)->fetch();
        if ($composition->status === 'completed') {
            return $composition;
        }
        check(in_array($composition->status, ['enqueued', 'processing']), $composition->status);
        usleep(100000);
    }
    throw new Exception("$sid takes too long");
}

$client = connect();
$video = $client->video->v1;
$callback = getenv('CALLBACK');
$past = new DateTime('2020-01-02T05:04:05+02:00');

$room = $video->rooms->create([
    'uniqueName' => 'php', 'type' => 'group', 'maxParticipants' => 4, 'videoCodecs' => ['VP8', 'H264'],
    'recordParticipantsOnConnect' => true, 'statusCallback' => $callback,
]);
check([$room->status, $room->uniqueName, $room->endTime] === ['in-progress', 'php', null], $room);
check($room->dateCreated instanceof DateTime, $room->dateCreated);
check($video->rooms('php')->fetch()->sid === $room->sid);
check(sids($video->rooms->read(['uniqueName' => 'php', 'status' => 'in-progress', 'dateCreatedAfter' => $past])) === [$room->sid]);
$room = $room->sid;
echo "room\n";

$rules = $video->rooms($room)->recordingRules->update(['rules' => [['type' => 'include', 'all' => true]]]);
check($rules->rules[0]['all'] === true, $rules->rules);
check(count($video->rooms($room)->recordingRules->fetch()->rules) === 1);
echo "recording rules\n";

$recordings = array_map(fn ($track) => upload($room, $track), TRACKS);
$all = $video->recordings->read(['groupingSid' => [$room], 'dateCreatedAfter' => $past], null, 3);
check(sids($all) === array_reverse($recordings), sids($all));
$audioOnly = $video->rooms($room)->recordings->read(['sourceSid' => $all[0]->sourceSid]);
check(count($audioOnly) === 1 && [$audioOnly[0]->trackName, $audioOnly[0]->codec] === ['bob-microphone', 'opus'], $audioOnly);
$one = $video->rooms($room)->recordings($recordings[0])->fetch();
check([$one->status, $one->type, $one->codec] === ['completed', 'video', 'vp8'], $one);
saveMedia($client, $one->links['media'], getenv('FILM'));
check(file_get_contents(getenv('FILM')) === file_get_contents(getenv('ROOM_FILES') . '/' . TRACKS[0][0]));
echo "recordings\n";

check(count($video->rooms($room)->participants->read()) === 2);
$bob = $video->rooms($room)->participants('bob')->fetch();
check([$bob->identity, $bob->roomSid] === ['bob', $room] && $bob->startTime instanceof DateTime, $bob);
$published = $bob->publishedTracks->read();
check(count($published) === 2);
$track = $video->rooms($room)->participants($bob->sid)->publishedTracks($published[0]->sid)->fetch();
check([$track->name, $track->participantSid] === [$published[0]->name, $bob->sid], $track);
check($bob->subscribedTracks->read() === []);
$bob->subscribeRules->update(['rules' => [['type' => 'exclude', 'publisher' => 'alice', 'kind' => 'video']]]);
check($bob->subscribeRules->fetch()->rules[0]['publisher'] === 'alice');
$left = $bob->update(['status' => 'disconnected']);
check($left->status === 'disconnected' && $left->endTime instanceof DateTime, $left);
echo "participants\n";

$hook = $video->compositionHooks->create('Audio of every room', ['audioSources' => ['*'], 'format' => 'webm']);
check([$hook->enabled, $hook->dateUpdated, $hook->trim] === [true, null, true], $hook);
check($video->compositionHooks($hook->sid)->fetch()->friendlyName === 'Audio of every room');
check(sids($video->compositionHooks->read(['friendlyName' => '*every*', 'enabled' => true])) === [$hook->sid]);
echo "composition hook\n";

$completed = $video->rooms($room)->update('completed');
check($completed->status === 'completed' && $completed->endTime instanceof DateTime && $completed->duration !== null, $completed);
echo "completed room\n";

for ($i = 0; $i < MAX_POLLS && count($byHook = $video->compositions->read(['roomSid' => $room])) !== 1; $i++) {
    usleep(100000);
}
$byHook = $byHook[0]->sid;
$film = $video->compositions->create($room, [
    'videoLayout' => LAYOUT, 'audioSources' => ['*'], 'audioSourcesExcluded' => ['bob-m*'], 'resolution' => '640x480',
    'format' => 'mp4', 'statusCallback' => $callback, 'statusCallbackMethod' => 'GET',
]);
check([$film->status, $film->trim, $film->dateCompleted] === ['enqueued', true, null], $film);
check($film->videoLayout['bob']['x_pos'] === 320, $film->videoLayout);
$audioOnly = $video->compositions->create($room, ['audioSources' => ['alice-*'], 'trim' => false]);
check([$audioOnly->format, $audioOnly->trim] === ['webm', false], $audioOnly);
$film = wait($film->sid);
check($film->duration === 3 && $film->size > 0 && $film->bitrate > 0 && $film->dateCompleted instanceof DateTime, $film);
wait($audioOnly->sid);
check(wait($byHook)->audioSources === ['*']);
$of = fn (array $filters) => sids($video->compositions->read(['roomSid' => $room] + $filters, null, 2));
check($of([]) === [$audioOnly->sid, $film->sid, $byHook]);
check(count($of(['status' => 'completed', 'dateCreatedAfter' => $past])) === 3);
check($of(['dateCreatedBefore' => $past]) === []);
echo "compositions\n";

saveMedia($client, $film->links['media'] . '?Ttl=60&ContentDisposition=inline', getenv('FILM'));
check(substr(file_get_contents(getenv('FILM')), 4, 4) === 'ftyp');
echo "media\n";

$replaced = $video->compositionHooks($hook->sid)->update('Faces', ['videoLayout' => LAYOUT, 'enabled' => false]);
check([$replaced->enabled, $replaced->audioSources] === [false, []] && $replaced->dateUpdated instanceof DateTime, $replaced);
check($video->compositionHooks($hook->sid)->delete());
check($video->compositionHooks->read() === []);
echo "replaced hook\n";

check($video->compositions($film->sid)->delete());
$deleted = $video->compositions($film->sid)->fetch();
check($deleted->status === 'deleted' && $deleted->dateDeleted instanceof DateTime, $deleted);
check($video->rooms($room)->recordings($recordings[0])->delete());
check($video->recordings($recordings[0])->fetch()->status === 'deleted');
check(count($video->rooms($room)->recordings->read()) === 3);
check(count($video->recordings->read(['status' => 'deleted'])) === 1);
echo "deletions\n";

$credentials = $client->accounts->v1->credentials;
$key = $credentials->publicKey->create(file_get_contents(getenv('PUBLIC_KEY')), ['friendlyName' => 'mine']);
$credentials->publicKey($key->sid)->update(['friendlyName' => 'ours']);
check($credentials->publicKey($key->sid)->fetch()->friendlyName === 'ours');
check(count($credentials->publicKey->read()) === 1);
$pair = $credentials->aws->create('AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI');
$credentials->aws($pair->sid)->update(['friendlyName' => 'bucket']);
check($credentials->aws($pair->sid)->fetch()->friendlyName === 'bucket');
check(count($credentials->aws->read()) === 1);
echo "credentials\n";

check($video->recordingSettings()->fetch()->encryptionEnabled === false);
$sealed = $video->compositionSettings()->create('sealed', ['encryptionEnabled' => true, 'encryptionKeySid' => $key->sid]);
check([$sealed->encryptionEnabled, $sealed->awsStorageEnabled] === [true, false], $sealed);
check($video->compositionSettings()->fetch()->encryptionKeySid === $key->sid);
check($video->recordingSettings()->create('plain')->encryptionEnabled === false);
refused(400, 53610, fn () => $video->recordingSettings()->create('bucket', [
    'awsStorageEnabled' => true, 'awsCredentialsSid' => $pair->sid, 'awsS3Url' => 'https://bucket.storage.invalid/recordings',
]));
echo "settings\n";
check($credentials->aws($pair->sid)->delete());

refused(404, 20404, fn () => $video->compositions('CJ00000000000000000000000000000000')->fetch());
refused(400, 20422, fn () => $video->compositions->create($room, ['audioSources' => ['*'], 'resolution' => '1x1']));
refused(401, 20003, fn () => connect('wrong')->video->v1->rooms($room)->fetch());
echo "errors\n";

$hidden = $video->rooms($room)->participants($bob->sid)->anonymize()->update();
check($hidden->identity === $bob->sid, $hidden);
refused(404, 20404, fn () => $video->rooms($room)->participants('bob')->fetch());
echo "anonymized participant\n";
