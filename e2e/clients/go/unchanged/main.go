// Command unchanged is a program that does not know roomreel: it uses video.twilio.com and
// accounts.twilio.com.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/twilio/twilio-go"
	video "github.com/twilio/twilio-go/rest/video/v1"
)

func main() {
	client := twilio.NewRestClientWithParams(twilio.ClientParams{
		Username: os.Getenv("TWILIO_API_KEY"), Password: os.Getenv("TWILIO_API_SECRET"), AccountSid: os.Getenv("TWILIO_ACCOUNT_SID"),
	})
	for _, name := range []string{"one", "two", "three"} {
		if _, err := client.VideoV1.CreateRoom((&video.CreateRoomParams{}).SetUniqueName(name)); err != nil {
			log.Fatal(err)
		}
	}
	rooms, err := client.VideoV1.ListRoom((&video.ListRoomParams{}).SetPageSize(2))
	if err != nil {
		log.Fatal(err)
	}
	credentials, err := client.AccountsV1.ListCredentialAws(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, room := range rooms {
		fmt.Print(*room.UniqueName, " ")
	}
	fmt.Println(len(credentials))
}
