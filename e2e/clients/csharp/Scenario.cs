// Does the same as ../go/main.go with Twilio's library, and reads the same variables. Only Connect.cs differs from an application for
// Twilio, and the upload, which Twilio does itself.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Threading;
using Newtonsoft.Json.Linq;
using Twilio.Clients;
using Twilio.Exceptions;
using Twilio.Rest.Accounts.V1.Credential;
using Twilio.Rest.Video.V1;
using Twilio.Rest.Video.V1.Room;
using Twilio.Rest.Video.V1.Room.Participant;
using Twilio.Types;
using HttpMethod = Twilio.Http.HttpMethod;

static class Scenario
{
    const int MaxPolls = 1200; // how often a composition is fetched, every 100 ms
    static readonly object Layout = new
    {
        alice = new { video_sources = new[] { "alice-*" }, x_pos = 0, width = 320, max_columns = 1 },
        bob = new { video_sources = new[] { "bob-*" }, x_pos = 320, width = 320, max_columns = 1 },
    };
    static readonly string[][] Tracks =
    {
        new[] { "alice-camera.mkv", "alice", "alice-camera", "0" }, new[] { "alice-microphone.mka", "alice", "alice-microphone", "0" },
        new[] { "bob-camera.mkv", "bob", "bob-camera", "1000" }, new[] { "bob-microphone.mka", "bob", "bob-microphone", "1000" },
    };
    static readonly TwilioRestClient client = Connect.Client();
    static readonly System.Net.Http.HttpClient plain = new System.Net.Http.HttpClient();

    static string Variable(string name) { return Environment.GetEnvironmentVariable(name); }

    static void Check(bool holds, object answer)
    {
        if (!holds) throw new Exception("unexpected: " + Newtonsoft.Json.JsonConvert.SerializeObject(answer));
    }

    static void Refused(int status, int code, Action call)
    {
        try
        {
            call();
        }
        catch (ApiException error)
        {
            Check(error.Status == status && error.Code == code && error.Message != "", error.Message);
            return;
        }
        throw new Exception("not refused with " + status + " and " + code);
    }

    // Asks a Media resource where the media is, and fetches it from there without signing in.
    static byte[] Download(string uri)
    {
        var answer = client.Request(new Twilio.Http.Request(HttpMethod.Get, uri));
        Check((int)answer.StatusCode == 302, answer.Content);
        return plain.GetByteArrayAsync((string)JObject.Parse(answer.Content)["redirect_to"]).Result;
    }

    static string Upload(string room, string[] track)
    {
        var form = new MultipartFormDataContent
        {
            { new StringContent(track[1]), "ParticipantIdentity" },
            { new StringContent(track[2]), "TrackName" },
            { new StringContent(track[3]), "OffsetMillis" },
            { new ByteArrayContent(File.ReadAllBytes(Path.Combine(Variable("ROOM_FILES"), track[0]))), "Media", track[0] },
        };
        var request = new HttpRequestMessage(System.Net.Http.HttpMethod.Post, Variable("ROOMREEL_URL") + "/roomreel/v1/Rooms/" + room + "/Recordings");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes(Variable("TWILIO_API_KEY") + ":" + Variable("TWILIO_API_SECRET"))));
        request.Content = form;
        var answer = plain.SendAsync(request).Result;
        var text = answer.Content.ReadAsStringAsync().Result;
        Check((int)answer.StatusCode == 201, text);
        return (string)JObject.Parse(text)["sid"];
    }

    static CompositionResource Wait(string sid)
    {
        for (var i = 0; i < MaxPolls; i++)
        {
            var composition = CompositionResource.Fetch(sid, client: client);
            if (composition.Status == CompositionResource.StatusEnum.Completed) return composition;
            Check(composition.Status == CompositionResource.StatusEnum.Enqueued || composition.Status == CompositionResource.StatusEnum.Processing, composition);
            Thread.Sleep(100);
        }
        throw new Exception(sid + " takes too long");
    }

    static void Main()
    {
        var callback = new Uri(Variable("CALLBACK"));
        var past = new DateTime(2020, 1, 2, 3, 4, 5, DateTimeKind.Utc);

        var opened = RoomResource.Create(uniqueName: "csharp", type: RoomResource.RoomTypeEnum.Group, maxParticipants: 4,
            videoCodecs: new List<RoomResource.VideoCodecEnum> { RoomResource.VideoCodecEnum.Vp8, RoomResource.VideoCodecEnum.H264 },
            recordParticipantsOnConnect: true, statusCallback: callback, client: client);
        var room = opened.Sid;
        Check(opened.Status == RoomResource.RoomStatusEnum.InProgress && opened.UniqueName == "csharp" && opened.EndTime == null, opened);
        Check(opened.DateCreated != null && RoomResource.Fetch("csharp", client: client).Sid == room, "by name");
        var rooms = RoomResource.Read(uniqueName: "csharp", status: RoomResource.RoomStatusEnum.InProgress, dateCreatedAfter: past, client: client).ToList();
        Check(rooms.Count == 1 && rooms[0].Sid == room, rooms);
        Console.WriteLine("room");

        // The library's own rules have a null in every field that is not set.
        var rules = RecordingRulesResource.Update(room, rules: new List<RecordingRule> { new RecordingRule(RecordingRule.TypeEnum.Include, true, null, null, null) }, client: client);
        Check(rules.Rules.Count == 1 && rules.Rules[0].All == true, rules);
        Check(RecordingRulesResource.Fetch(room, client: client).Rules.Count == 1, "fetched rules");
        Console.WriteLine("recording rules");

        var recordings = Tracks.Select(track => Upload(room, track)).ToList();
        var all = RecordingResource.Read(groupingSid: new List<string> { room }, dateCreatedAfter: past, pageSize: 3, client: client).ToList();
        Check(all.Select(r => r.Sid).Reverse().SequenceEqual(recordings), all);
        var audioOnly = RoomRecordingResource.Read(room, sourceSid: all[0].SourceSid, client: client).ToList();
        Check(audioOnly.Count == 1 && audioOnly[0].TrackName == "bob-microphone" && audioOnly[0].Codec.ToString() == "opus", audioOnly);
        var one = RoomRecordingResource.Fetch(room, recordings[0], client: client);
        Check(one.Status == RoomRecordingResource.StatusEnum.Completed && one.Type == RoomRecordingResource.TypeEnum.Video
            && one.Codec.ToString() == "vp8", one);
        var file = File.ReadAllBytes(Path.Combine(Variable("ROOM_FILES"), Tracks[0][0]));
        Check(Download(one.Links["media"]).SequenceEqual(file), "media of a recording");
        Console.WriteLine("recordings");

        Check(ParticipantResource.Read(room, client: client).Count() == 2, "participants");
        var bob = ParticipantResource.Fetch(room, "bob", client: client);
        Check(bob.Identity == "bob" && bob.RoomSid == room && bob.StartTime != null, bob);
        var published = PublishedTrackResource.Read(room, bob.Sid, client: client).ToList();
        Check(published.Count == 2, published);
        var track1 = PublishedTrackResource.Fetch(room, bob.Sid, published[0].Sid, client: client);
        Check(track1.Name == published[0].Name && track1.ParticipantSid == bob.Sid, track1);
        Check(!SubscribedTrackResource.Read(room, bob.Sid, client: client).Any(), "subscribed tracks");
        SubscribeRulesResource.Update(room, bob.Sid, rules: new List<SubscribeRule> {
            new SubscribeRule(SubscribeRule.TypeEnum.Exclude, null, "alice", null, SubscribeRule.KindEnum.Video, null) }, client: client);
        Check(SubscribeRulesResource.Fetch(room, "bob", client: client).Rules[0].Publisher == "alice", "subscribe rules");
        var left = ParticipantResource.Update(room, "bob", status: ParticipantResource.StatusEnum.Disconnected, client: client);
        Check(left.Status == ParticipantResource.StatusEnum.Disconnected && left.EndTime != null, left);
        Console.WriteLine("participants");

        var hook = CompositionHookResource.Create("Audio of every room", audioSources: new List<string> { "*" },
            format: CompositionHookResource.FormatEnum.Webm, client: client);
        Check(hook.Enabled == true && hook.DateUpdated == null && hook.Trim == true, hook);
        Check(CompositionHookResource.Fetch(hook.Sid, client: client).FriendlyName == "Audio of every room", "fetched hook");
        Check(CompositionHookResource.Read(friendlyName: "*every*", enabled: true, client: client).Single().Sid == hook.Sid, "hooks");
        Console.WriteLine("composition hook");

        var completed = RoomResource.Update(room, RoomResource.RoomStatusEnum.Completed, client: client);
        Check(completed.Status == RoomResource.RoomStatusEnum.Completed && completed.EndTime != null && completed.Duration != null, completed);
        Console.WriteLine("completed room");

        var made = new List<CompositionResource>();
        for (var i = 0; i < MaxPolls && made.Count != 1; i++)
        {
            Thread.Sleep(100);
            made = CompositionResource.Read(roomSid: room, client: client).ToList();
        }
        var byHook = made[0].Sid;
        var film = CompositionResource.Create(room, videoLayout: Layout, audioSources: new List<string> { "*" },
            audioSourcesExcluded: new List<string> { "bob-m*" }, resolution: "640x480", format: CompositionResource.FormatEnum.Mp4,
            statusCallback: callback, statusCallbackMethod: HttpMethod.Get, client: client);
        Check(film.Status == CompositionResource.StatusEnum.Enqueued && film.Trim == true && film.DateCompleted == null, film);
        Check((int)JObject.FromObject(film.VideoLayout)["bob"]["x_pos"] == 320, film);
        var audio = CompositionResource.Create(room, audioSources: new List<string> { "alice-*" }, trim: false, client: client);
        Check(audio.Format == CompositionResource.FormatEnum.Webm && audio.Trim == false, audio);
        film = Wait(film.Sid);
        Check(film.Duration == 3 && film.Size > 0 && film.Bitrate > 0 && film.DateCompleted != null, film);
        Wait(audio.Sid);
        Check(Wait(byHook).AudioSources.SequenceEqual(new[] { "*" }), "the hook's");
        var everything = CompositionResource.Read(roomSid: room, pageSize: 2, client: client).Select(c => c.Sid).ToList();
        Check(everything.SequenceEqual(new[] { audio.Sid, film.Sid, byHook }), everything);
        Check(CompositionResource.Read(roomSid: room, status: CompositionResource.StatusEnum.Completed, dateCreatedAfter: past, pageSize: 2, client: client).Count() == 3, "after");
        Check(!CompositionResource.Read(roomSid: room, dateCreatedBefore: past, pageSize: 2, client: client).Any(), "before");
        Console.WriteLine("compositions");

        var media = Download(film.Links["media"] + "?Ttl=60&ContentDisposition=inline");
        Check(Encoding.ASCII.GetString(media, 4, 4) == "ftyp", "the film");
        File.WriteAllBytes(Variable("FILM"), media);
        Console.WriteLine("media");

        var replaced = CompositionHookResource.Update(hook.Sid, "Faces", videoLayout: Layout, enabled: false, client: client);
        Check(replaced.Enabled == false && replaced.AudioSources.Count == 0 && replaced.DateUpdated != null, replaced);
        Check(CompositionHookResource.Delete(hook.Sid, client: client), "deleted hook");
        Check(!CompositionHookResource.Read(client: client).Any(), "hooks");
        Console.WriteLine("replaced hook");

        Check(CompositionResource.Delete(film.Sid, client: client), "deleted composition");
        var deleted = CompositionResource.Fetch(film.Sid, client: client);
        Check(deleted.Status == CompositionResource.StatusEnum.Deleted && deleted.DateDeleted != null, deleted);
        Check(RoomRecordingResource.Delete(room, recordings[0], client: client), "deleted recording");
        Check(RecordingResource.Fetch(recordings[0], client: client).Status == RecordingResource.StatusEnum.Deleted, "deleted recording");
        Check(RoomRecordingResource.Read(room, client: client).Count() == 3, "remaining recordings");
        Check(RecordingResource.Read(status: RecordingResource.StatusEnum.Deleted, client: client).Count() == 1, "deleted recordings");
        Console.WriteLine("deletions");

        var key = PublicKeyResource.Create(File.ReadAllText(Variable("PUBLIC_KEY")), friendlyName: "mine", client: client);
        PublicKeyResource.Update(key.Sid, friendlyName: "ours", client: client);
        Check(PublicKeyResource.Fetch(key.Sid, client: client).FriendlyName == "ours", "public key");
        Check(PublicKeyResource.Read(client: client).Count() == 1, "public keys");
        var pair = AwsResource.Create("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI", client: client);
        AwsResource.Update(pair.Sid, friendlyName: "bucket", client: client);
        Check(AwsResource.Fetch(pair.Sid, client: client).FriendlyName == "bucket", "AWS credential");
        Check(AwsResource.Read(client: client).Count() == 1, "AWS credentials");
        Console.WriteLine("credentials");

        Check(RecordingSettingsResource.Fetch(client: client).EncryptionEnabled == false, "recordings are not encrypted");
        var encrypted = CompositionSettingsResource.Create("sealed", encryptionEnabled: true, encryptionKeySid: key.Sid, client: client);
        Check(encrypted.EncryptionEnabled == true && encrypted.AwsStorageEnabled == false, encrypted);
        Check(CompositionSettingsResource.Fetch(client: client).EncryptionKeySid == key.Sid, "settings");
        Check(RecordingSettingsResource.Create("plain", client: client).EncryptionEnabled == false, "plain");
        Refused(400, 53610, () => RecordingSettingsResource.Create("bucket", awsStorageEnabled: true, awsCredentialsSid: pair.Sid,
            awsS3Url: new Uri("https://bucket.storage.invalid/recordings"), client: client));
        Console.WriteLine("settings");
        Check(AwsResource.Delete(pair.Sid, client: client), "deleted credential");

        Refused(404, 20404, () => CompositionResource.Fetch("CJ00000000000000000000000000000000", client: client));
        Refused(400, 20422, () => CompositionResource.Create(room, audioSources: new List<string> { "*" }, resolution: "1x1", client: client));
        Refused(401, 20003, () => RoomResource.Fetch(room, client: Connect.Client("wrong")));
        Console.WriteLine("errors");

        Check(AnonymizeResource.Update(room, bob.Sid, client: client).Identity == bob.Sid, "anonymized");
        Refused(404, 20404, () => ParticipantResource.Fetch(room, "bob", client: client));
        Console.WriteLine("anonymized participant");
    }
}
