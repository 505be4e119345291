// Asks Twilio's library, for each delivery in a file, whether its signature is right.
using System;
using System.Collections.Generic;
using System.IO;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using Twilio.Security;

static class Signature
{
    static void Main(string[] arguments)
    {
        var validator = new RequestValidator(Environment.GetEnvironmentVariable("TWILIO_AUTH_TOKEN"));
        var reader = new JsonTextReader(File.OpenText(arguments[0])) { DateParseHandling = DateParseHandling.None };
        foreach (var delivery in JArray.Load(reader))
        {
            var parameters = delivery["params"].ToObject<Dictionary<string, string>>();
            Console.WriteLine(validator.Validate((string)delivery["url"], parameters, (string)delivery["signature"]));
        }
    }
}
