import com.fasterxml.jackson.databind.ObjectMapper;
import com.twilio.base.ResourceSet;
import com.twilio.exception.ApiException;
import com.twilio.http.HttpMethod;
import com.twilio.http.Request;
import com.twilio.http.Response;
import com.twilio.http.TwilioRestClient;
import com.twilio.rest.accounts.v1.credential.Aws;
import com.twilio.rest.accounts.v1.credential.PublicKey;
import com.twilio.rest.video.v1.Composition;
import com.twilio.rest.video.v1.CompositionHook;
import com.twilio.rest.video.v1.CompositionReader;
import com.twilio.rest.video.v1.CompositionSettings;
import com.twilio.rest.video.v1.Recording;
import com.twilio.rest.video.v1.RecordingSettings;
import com.twilio.rest.video.v1.Room;
import com.twilio.rest.video.v1.room.Participant;
import com.twilio.rest.video.v1.room.RecordingRules;
import com.twilio.rest.video.v1.room.RoomRecording;
import com.twilio.rest.video.v1.room.participant.Anonymize;
import com.twilio.rest.video.v1.room.participant.PublishedTrack;
import com.twilio.rest.video.v1.room.participant.SubscribeRules;
import com.twilio.rest.video.v1.room.participant.SubscribedTrack;
import com.twilio.type.RecordingRule;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * Does the same as ../go/main.go with twilio-java, and reads the same variables. Only Connect.java differs from an application for
 * Twilio, and the upload, which Twilio does itself.
 */
class Scenario {
    static final int MAX_POLLS = 1200; // how often a composition is fetched, every 100 ms
    static final Map<String, Object> LAYOUT = Map.of(
            "alice", Map.of("video_sources", List.of("alice-*"), "x_pos", 0, "width", 320, "max_columns", 1),
            "bob", Map.of("video_sources", List.of("bob-*"), "x_pos", 320, "width", 320, "max_columns", 1));
    static final String[][] TRACKS = {
        {"alice-camera.mkv", "alice", "alice-camera", "0"}, {"alice-microphone.mka", "alice", "alice-microphone", "0"},
        {"bob-camera.mkv", "bob", "bob-camera", "1000"}, {"bob-microphone.mka", "bob", "bob-microphone", "1000"},
    };
    static final TwilioRestClient client = Connect.connect();
    static final HttpClient plain = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    interface Call { Object run() throws Exception; }

    static void check(boolean holds, Object answer) {
        if (!holds) throw new IllegalStateException("unexpected: " + answer);
    }

    static void refused(int status, int code, Call call) throws Exception {
        try {
            call.run();
        } catch (ApiException error) {
            check(error.getStatusCode() == status && error.getCode() == code && !error.getMessage().isEmpty(), error);
            return;
        }
        throw new IllegalStateException("not refused with " + status + " and " + code);
    }

    static <T extends com.twilio.base.Resource> List<T> list(ResourceSet<T> set) {
        List<T> all = new ArrayList<>();
        for (T one : set) all.add(one);
        return all;
    }

    /** Asks a Media resource where the media is, and fetches it from there without signing in. */
    static byte[] download(String uri) throws Exception {
        Response answer = client.request(new Request(HttpMethod.GET, uri));
        check(answer.getStatusCode() == 302, answer.getContent());
        String to = (String) new ObjectMapper().readValue(answer.getContent(), Map.class).get("redirect_to");
        return plain.send(HttpRequest.newBuilder(URI.create(to)).build(), HttpResponse.BodyHandlers.ofByteArray()).body();
    }

    static String upload(String room, String[] track) throws Exception {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        String[] names = {"ParticipantIdentity", "TrackName", "OffsetMillis"};
        for (int i = 0; i < names.length; i++) {
            body.writeBytes(("--part\r\nContent-Disposition: form-data; name=\"" + names[i] + "\"\r\n\r\n" + track[i + 1] + "\r\n").getBytes());
        }
        body.writeBytes(("--part\r\nContent-Disposition: form-data; name=\"Media\"; filename=\"" + track[0] + "\"\r\n\r\n").getBytes());
        body.writeBytes(Files.readAllBytes(Path.of(System.getenv("ROOM_FILES"), track[0])));
        body.writeBytes("\r\n--part--\r\n".getBytes());
        String signIn = System.getenv("TWILIO_API_KEY") + ":" + System.getenv("TWILIO_API_SECRET");
        HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("ROOMREEL_URL") + "/roomreel/v1/Rooms/" + room + "/Recordings"))
                .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(signIn.getBytes(StandardCharsets.UTF_8)))
                .header("Content-Type", "multipart/form-data; boundary=part")
                .POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray()))
                .build();
        HttpResponse<String> answer = plain.send(request, HttpResponse.BodyHandlers.ofString());
        check(answer.statusCode() == 201, answer.body());
        return (String) new ObjectMapper().readValue(answer.body(), Map.class).get("sid");
    }

    static Composition await(String sid) throws Exception {
        for (int i = 0; i < MAX_POLLS; i++) {
            Composition composition = Composition.fetcher(sid).fetch(client);
            if (composition.getStatus() == Composition.Status.COMPLETED) return composition;
            check(composition.getStatus() == Composition.Status.ENQUEUED || composition.getStatus() == Composition.Status.PROCESSING, composition);
            Thread.sleep(100);
        }
        throw new IllegalStateException(sid + " takes too long");
    }

    public static void main(String[] arguments) throws Exception {
        String callback = System.getenv("CALLBACK").replace(" ", "%20"); // setStatusCallback makes a URI of it
        ZonedDateTime past = ZonedDateTime.of(2020, 1, 2, 3, 4, 5, 0, ZoneOffset.UTC);

        Room opened = Room.creator().setUniqueName("java").setType(Room.RoomType.GROUP).setMaxParticipants(4)
                .setVideoCodecs(List.of(Room.VideoCodec.VP8, Room.VideoCodec.H264)).setRecordParticipantsOnConnect(true)
                .setStatusCallback(callback).create(client);
        String room = opened.getSid();
        check(opened.getStatus() == Room.RoomStatus.IN_PROGRESS && opened.getUniqueName().equals("java") && opened.getEndTime() == null, opened);
        check(opened.getDateCreated() != null, opened);
        check(Room.fetcher("java").fetch(client).getSid().equals(room), "by name");
        List<Room> rooms = list(Room.reader().setUniqueName("java").setStatus(Room.RoomStatus.IN_PROGRESS).setDateCreatedAfter(past).read(client));
        check(rooms.size() == 1 && rooms.get(0).getSid().equals(room), rooms);
        System.out.println("room");

        // The library writes a list as Java's toString does, so rules are given as JSON text.
        refused(400, 53120, () -> RecordingRules.updater(room).setRules(List.of(RecordingRule.builder().withType(RecordingRule.Type.INCLUDE).withAll().build())).update(client));
        RecordingRules rules = RecordingRules.updater(room).setRules("[{\"type\": \"include\", \"all\": true}]").update(client);
        check(rules.getRules().size() == 1, rules);
        check(RecordingRules.fetcher(room).fetch(client).getRules().size() == 1, "fetched rules");
        System.out.println("recording rules");

        List<String> recordings = new ArrayList<>();
        for (String[] track : TRACKS) recordings.add(upload(room, track));
        List<Recording> all = list(Recording.reader().setGroupingSid(List.of(room)).setDateCreatedAfter(past).setPageSize(3L).read(client));
        check(all.size() == 4 && all.get(3).getSid().equals(recordings.get(0)), all);
        List<RoomRecording> audioOnly = list(RoomRecording.reader(room).setSourceSid(all.get(0).getSourceSid()).read(client));
        check(audioOnly.size() == 1 && audioOnly.get(0).getTrackName().equals("bob-microphone")
                && audioOnly.get(0).getCodec() == RoomRecording.Codec.OPUS, audioOnly);
        RoomRecording one = RoomRecording.fetcher(room, recordings.get(0)).fetch(client);
        check(one.getStatus() == RoomRecording.Status.COMPLETED && one.getType() == RoomRecording.Type.VIDEO
                && one.getCodec() == RoomRecording.Codec.VP8, one);
        byte[] file = Files.readAllBytes(Path.of(System.getenv("ROOM_FILES"), TRACKS[0][0]));
        check(Arrays.equals(download(one.getLinks().get("media")), file), "media of a recording");
        System.out.println("recordings");

        check(list(Participant.reader(room).read(client)).size() == 2, "participants");
        Participant bob = Participant.fetcher(room, "bob").fetch(client);
        check(bob.getIdentity().equals("bob") && bob.getRoomSid().equals(room) && bob.getStartTime() != null, bob);
        List<PublishedTrack> published = list(PublishedTrack.reader(room, bob.getSid()).read(client));
        check(published.size() == 2, published);
        PublishedTrack track = PublishedTrack.fetcher(room, bob.getSid(), published.get(0).getSid()).fetch(client);
        check(track.getName().equals(published.get(0).getName()) && track.getParticipantSid().equals(bob.getSid()), track);
        check(list(SubscribedTrack.reader(room, bob.getSid()).read(client)).isEmpty(), "subscribed tracks");
        SubscribeRules.updater(room, bob.getSid()).setRules("[{\"type\":\"exclude\",\"publisher\":\"alice\",\"kind\":\"video\"}]").update(client);
        check(SubscribeRules.fetcher(room, "bob").fetch(client).getRules().size() == 1, "subscribe rules");
        Participant left = Participant.updater(room, "bob").setStatus(Participant.Status.DISCONNECTED).update(client);
        check(left.getStatus() == Participant.Status.DISCONNECTED && left.getEndTime() != null, left);
        System.out.println("participants");

        CompositionHook hook = CompositionHook.creator("Audio of every room").setAudioSources("*").setFormat(CompositionHook.Format.WEBM).create(client);
        check(hook.getEnabled() && hook.getDateUpdated() == null && hook.getTrim(), hook);
        check(CompositionHook.fetcher(hook.getSid()).fetch(client).getFriendlyName().equals("Audio of every room"), "fetched hook");
        check(list(CompositionHook.reader().setFriendlyName("*every*").setEnabled(true).read(client)).size() == 1, "hooks");
        System.out.println("composition hook");

        Room completed = Room.updater(room, Room.RoomStatus.COMPLETED).update(client);
        check(completed.getStatus() == Room.RoomStatus.COMPLETED && completed.getEndTime() != null && completed.getDuration() != null, completed);
        System.out.println("completed room");

        List<Composition> made = List.of();
        for (int i = 0; i < MAX_POLLS && made.size() != 1; i++) {
            Thread.sleep(100);
            made = list(Composition.reader().setRoomSid(room).read(client));
        }
        String byHook = made.get(0).getSid();
        Composition film = Composition.creator(room).setVideoLayout(LAYOUT).setAudioSources("*").setAudioSourcesExcluded("bob-m*")
                .setResolution("640x480").setFormat(Composition.Format.MP4).setStatusCallback(callback).setStatusCallbackMethod(HttpMethod.GET)
                .create(client);
        check(film.getStatus() == Composition.Status.ENQUEUED && film.getTrim() && film.getDateCompleted() == null, film);
        check(((Map<?, ?>) ((Map<?, ?>) film.getVideoLayout()).get("bob")).get("x_pos").equals(320), film);
        Composition audio = Composition.creator(room).setAudioSources(List.of("alice-*")).setTrim(false).create(client);
        check(audio.getFormat() == Composition.Format.WEBM && !audio.getTrim(), audio);
        film = await(film.getSid());
        check(film.getDuration() == 3 && film.getSize() > 0 && film.getBitrate() > 0 && film.getDateCompleted() != null, film);
        await(audio.getSid());
        check(await(byHook).getAudioSources().equals(List.of("*")), "the hook's");
        List<Composition> everything = list(of(room).read(client));
        check(everything.size() == 3 && everything.get(0).getSid().equals(audio.getSid()) && everything.get(2).getSid().equals(byHook), everything);
        check(list(of(room).setStatus(Composition.Status.COMPLETED).setDateCreatedAfter(past).read(client)).size() == 3, "after");
        check(list(of(room).setDateCreatedBefore(past).read(client)).isEmpty(), "before");
        System.out.println("compositions");

        byte[] media = download(film.getLinks().get("media") + "?Ttl=60&ContentDisposition=inline");
        check(new String(media, 4, 4).equals("ftyp"), "the film");
        Files.write(Path.of(System.getenv("FILM")), media);
        System.out.println("media");

        CompositionHook replaced = CompositionHook.updater(hook.getSid(), "Faces").setVideoLayout(LAYOUT).setEnabled(false).update(client);
        check(!replaced.getEnabled() && replaced.getAudioSources().isEmpty() && replaced.getDateUpdated() != null, replaced);
        check(CompositionHook.deleter(hook.getSid()).delete(client), "deleted hook");
        check(list(CompositionHook.reader().read(client)).isEmpty(), "hooks");
        System.out.println("replaced hook");

        check(Composition.deleter(film.getSid()).delete(client), "deleted composition");
        Composition deleted = Composition.fetcher(film.getSid()).fetch(client);
        check(deleted.getStatus() == Composition.Status.DELETED && deleted.getDateDeleted() != null, deleted);
        check(RoomRecording.deleter(room, recordings.get(0)).delete(client), "deleted recording");
        check(Recording.fetcher(recordings.get(0)).fetch(client).getStatus() == Recording.Status.DELETED, "deleted recording");
        check(list(RoomRecording.reader(room).read(client)).size() == 3, "remaining recordings");
        check(list(Recording.reader().setStatus(Recording.Status.DELETED).read(client)).size() == 1, "deleted recordings");
        System.out.println("deletions");

        PublicKey key = PublicKey.creator(Files.readString(Path.of(System.getenv("PUBLIC_KEY")))).setFriendlyName("mine").create(client);
        check(key.getDateCreated() != null, key);
        PublicKey.updater(key.getSid()).setFriendlyName("ours").update(client);
        check(PublicKey.fetcher(key.getSid()).fetch(client).getFriendlyName().equals("ours"), "public key");
        check(list(PublicKey.reader().read(client)).size() == 1, "public keys");
        Aws pair = Aws.creator("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI").create(client);
        Aws.updater(pair.getSid()).setFriendlyName("bucket").update(client);
        check(Aws.fetcher(pair.getSid()).fetch(client).getFriendlyName().equals("bucket"), "AWS credential");
        check(list(Aws.reader().read(client)).size() == 1, "AWS credentials");
        System.out.println("credentials");

        check(!RecordingSettings.fetcher().fetch(client).getEncryptionEnabled(), "recordings are not encrypted");
        CompositionSettings sealed = CompositionSettings.creator("sealed").setEncryptionEnabled(true).setEncryptionKeySid(key.getSid()).create(client);
        check(sealed.getEncryptionEnabled() && !sealed.getAwsStorageEnabled(), sealed);
        check(CompositionSettings.fetcher().fetch(client).getEncryptionKeySid().equals(key.getSid()), "settings");
        check(!RecordingSettings.creator("plain").create(client).getEncryptionEnabled(), "plain");
        refused(400, 53610, () -> RecordingSettings.creator("bucket").setAwsStorageEnabled(true).setAwsCredentialsSid(pair.getSid())
                .setAwsS3Url("https://bucket.storage.invalid/recordings").create(client));
        System.out.println("settings");
        check(Aws.deleter(pair.getSid()).delete(client), "deleted credential");

        refused(404, 20404, () -> Composition.fetcher("CJ00000000000000000000000000000000").fetch(client));
        refused(400, 20422, () -> Composition.creator(room).setAudioSources("*").setResolution("1x1").create(client));
        refused(401, 20003, () -> Room.fetcher(room).fetch(Connect.connect("wrong")));
        System.out.println("errors");

        check(Anonymize.updater(room, bob.getSid()).update(client).getIdentity().equals(bob.getSid()), "anonymized");
        refused(404, 20404, () -> Participant.fetcher(room, "bob").fetch(client));
        System.out.println("anonymized participant");
    }

    static CompositionReader of(String room) {
        return Composition.reader().setRoomSid(room).setPageSize(2L);
    }
}
