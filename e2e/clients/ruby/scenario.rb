# Does the same as ../go/main.go with twilio-ruby, and reads the same variables. Only connect.rb differs from an application for
# Twilio, and the upload, which Twilio does itself.
require 'json'
require 'net/http'
require_relative 'connect'
require_relative 'media'

$stdout.sync = true
MAX_POLLS = 1200 # how often a composition is fetched, every 100 ms
LAYOUT = {
  alice: { video_sources: ['alice-*'], x_pos: 0, width: 320, max_columns: 1 },
  bob: { video_sources: ['bob-*'], x_pos: 320, width: 320, max_columns: 1 }
}.freeze
TRACKS = [
  ['alice-camera.mkv', 'alice', 'alice-camera', 0], ['alice-microphone.mka', 'alice', 'alice-microphone', 0],
  ['bob-camera.mkv', 'bob', 'bob-camera', 1000], ['bob-microphone.mka', 'bob', 'bob-microphone', 1000]
].freeze
CLIENT = connect
VIDEO = CLIENT.video.v1

def check(holds, answer = nil)
  raise "unexpected: #{answer.inspect}" unless holds
end

def refused(status, code)
  yield
rescue Twilio::REST::RestError => e
  check([e.status_code, e.code] == [status, code] && !e.message.empty?, e)
else
  raise "not refused with #{status} and #{code}"
end

def upload(room, track)
  file, identity, name, offset = track
  uri = URI("#{ENV.fetch('ROOMREEL_URL')}/roomreel/v1/Rooms/#{room}/Recordings")
  request = Net::HTTP::Post.new(uri)
  request.basic_auth(ENV.fetch('TWILIO_API_KEY'), ENV.fetch('TWILIO_API_SECRET'))
  File.open(File.join(ENV.fetch('ROOM_FILES'), file), 'rb') do |media|
    request.set_form([['ParticipantIdentity', identity], ['TrackName', name], ['OffsetMillis', offset.to_s], ['Media', media]],
                     'multipart/form-data')
    answer = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == 'https') { |http| http.request(request) }
    check(answer.code == '201', answer.body)
    JSON.parse(answer.body)['sid']
  end
end

def wait(sid)
  MAX_POLLS.times do
    composition = VIDEO.compositions(sid).fetch
    return composition if composition.status == 'completed'

    check(%w[enqueued processing].include?(composition.status), composition.status)
    sleep 0.1
  end
  raise "#{sid} takes too long"
end

callback = ENV.fetch('CALLBACK')
past = Time.new(2020, 1, 2, 5, 4, 5, '+02:00')

room = VIDEO.rooms.create(unique_name: 'ruby', type: 'group', max_participants: 4, video_codecs: %w[VP8 H264],
                          record_participants_on_connect: true, status_callback: callback)
check([room.status, room.unique_name, room.end_time] == ['in-progress', 'ruby', nil], room)
check(room.date_created.is_a?(Time), room.date_created)
check(VIDEO.rooms('ruby').fetch.sid == room.sid)
check(VIDEO.rooms.list(unique_name: 'ruby', status: 'in-progress', date_created_after: past).map(&:sid) == [room.sid])
room = room.sid
puts 'room'

rules = VIDEO.rooms(room).recording_rules.update(rules: [{ type: 'include', all: true }])
check(rules.rules[0]['all'] == true, rules.rules)
check(VIDEO.rooms(room).recording_rules.fetch.rules.length == 1)
puts 'recording rules'

recordings = TRACKS.map { |track| upload(room, track) }
all = VIDEO.recordings.list(grouping_sid: [room], date_created_after: past, page_size: 3)
check(all.map(&:sid) == recordings.reverse, all)
audio_only = VIDEO.rooms(room).recordings.list(source_sid: all[0].source_sid)
check(audio_only.map { |r| [r.track_name, r.codec] } == [%w[bob-microphone opus]], audio_only)
one = VIDEO.rooms(room).recordings(recordings[0]).fetch
check([one.status, one.type, one.codec] == %w[completed video vp8], one)
save_media(CLIENT, one.links['media'], ENV.fetch('FILM'))
check(File.binread(ENV.fetch('FILM')) == File.binread(File.join(ENV.fetch('ROOM_FILES'), TRACKS[0][0])))
puts 'recordings'

check(VIDEO.rooms(room).participants.list.length == 2)
bob = VIDEO.rooms(room).participants('bob').fetch
check([bob.identity, bob.room_sid] == ['bob', room] && bob.start_time.is_a?(Time), bob)
published = bob.published_tracks.list
check(published.length == 2)
track = VIDEO.rooms(room).participants(bob.sid).published_tracks(published[0].sid).fetch
check([track.name, track.participant_sid] == [published[0].name, bob.sid], track)
check(bob.subscribed_tracks.list.empty?)
bob.subscribe_rules.update(rules: [{ type: 'exclude', publisher: 'alice', kind: 'video' }])
check(bob.subscribe_rules.fetch.rules[0]['publisher'] == 'alice')
left = bob.update(status: 'disconnected')
check(left.status == 'disconnected' && left.end_time.is_a?(Time), left)
puts 'participants'

hook = VIDEO.composition_hooks.create(friendly_name: 'Audio of every room', audio_sources: ['*'], format: 'webm')
check([hook.enabled, hook.date_updated, hook.trim] == [true, nil, true], hook)
check(VIDEO.composition_hooks(hook.sid).fetch.friendly_name == 'Audio of every room')
check(VIDEO.composition_hooks.list(friendly_name: '*every*', enabled: true).map(&:sid) == [hook.sid])
puts 'composition hook'

completed = VIDEO.rooms(room).update(status: 'completed')
check(completed.status == 'completed' && completed.end_time.is_a?(Time) && completed.duration, completed)
puts 'completed room'

by_hook = []
MAX_POLLS.times do
  by_hook = VIDEO.compositions.list(room_sid: room)
  break if by_hook.length == 1

  sleep 0.1
end
by_hook = by_hook[0].sid
film = VIDEO.compositions.create(room_sid: room, video_layout: LAYOUT, audio_sources: ['*'], audio_sources_excluded: ['bob-m*'],
                                 resolution: '640x480', format: 'mp4', status_callback: callback, status_callback_method: 'GET')
check([film.status, film.trim, film.date_completed] == ['enqueued', true, nil], film)
check(film.video_layout['bob']['x_pos'] == 320, film.video_layout)
audio_only = VIDEO.compositions.create(room_sid: room, audio_sources: ['alice-*'], trim: false)
check([audio_only.format, audio_only.trim] == ['webm', false], audio_only)
film = wait(film.sid)
check(film.duration == 3 && film.size.positive? && film.bitrate.positive? && film.date_completed.is_a?(Time), film)
wait(audio_only.sid)
check(wait(by_hook).audio_sources == ['*'])
of = ->(**filters) { VIDEO.compositions.list(room_sid: room, page_size: 2, **filters).map(&:sid) }
check(of.call == [audio_only.sid, film.sid, by_hook])
check(of.call(status: 'completed', date_created_after: past).length == 3)
check(of.call(date_created_before: past) == [])
puts 'compositions'

save_media(CLIENT, "#{film.links['media']}?Ttl=60&ContentDisposition=inline", ENV.fetch('FILM'))
check(File.binread(ENV.fetch('FILM'))[4, 4] == 'ftyp')
puts 'media'

replaced = VIDEO.composition_hooks(hook.sid).update(friendly_name: 'Faces', video_layout: LAYOUT, enabled: false)
check([replaced.enabled, replaced.audio_sources] == [false, []] && replaced.date_updated.is_a?(Time), replaced)
check(VIDEO.composition_hooks(hook.sid).delete)
check(VIDEO.composition_hooks.list == [])
puts 'replaced hook'

check(VIDEO.compositions(film.sid).delete)
deleted = VIDEO.compositions(film.sid).fetch
check(deleted.status == 'deleted' && deleted.date_deleted.is_a?(Time), deleted)
check(VIDEO.rooms(room).recordings(recordings[0]).delete)
check(VIDEO.recordings(recordings[0]).fetch.status == 'deleted')
check(VIDEO.rooms(room).recordings.list.length == 3)
check(VIDEO.recordings.list(status: 'deleted').length == 1)
puts 'deletions'

credentials = CLIENT.accounts.v1.credentials
key = credentials.public_key.create(public_key: File.read(ENV.fetch('PUBLIC_KEY')), friendly_name: 'mine')
credentials.public_key(key.sid).update(friendly_name: 'ours')
check(credentials.public_key(key.sid).fetch.friendly_name == 'ours')
check(credentials.public_key.list.length == 1)
pair = credentials.aws.create(credentials: 'AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI')
credentials.aws(pair.sid).update(friendly_name: 'bucket')
check(credentials.aws(pair.sid).fetch.friendly_name == 'bucket')
check(credentials.aws.list.length == 1)
puts 'credentials'

check(VIDEO.recording_settings.fetch.encryption_enabled == false)
sealed = VIDEO.composition_settings.create(friendly_name: 'sealed', encryption_enabled: true, encryption_key_sid: key.sid)
check([sealed.encryption_enabled, sealed.aws_storage_enabled] == [true, false], sealed)
check(VIDEO.composition_settings.fetch.encryption_key_sid == key.sid)
check(VIDEO.recording_settings.create(friendly_name: 'plain').encryption_enabled == false)
refused(400, 53610) do
  VIDEO.recording_settings.create(friendly_name: 'bucket', aws_storage_enabled: true, aws_credentials_sid: pair.sid,
                                  aws_s3_url: 'https://bucket.storage.invalid/recordings')
end
puts 'settings'
check(credentials.aws(pair.sid).delete)

refused(404, 20404) { VIDEO.compositions('CJ00000000000000000000000000000000').fetch }
refused(400, 20422) { VIDEO.compositions.create(room_sid: room, audio_sources: ['*'], resolution: '1x1') }
refused(401, 20003) { connect('wrong').video.v1.rooms(room).fetch }
puts 'errors'

hidden = VIDEO.rooms(room).participants(bob.sid).anonymize.update
check(hidden.identity == bob.sid, hidden)
refused(404, 20404) { VIDEO.rooms(room).participants('bob').fetch }
puts 'anonymized participant'
