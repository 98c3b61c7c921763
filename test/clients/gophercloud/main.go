// Steps of gophercloud.ts: `steps NAME` runs one as the administrator of OS_*; an exit other than 0 means failure.
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/extensions/backups"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/extensions/quotasets"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/extensions/services"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/extensions/volumeactions"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/v3/attachments"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/openstack/blockstorage/v3/volumetypes"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/credentials"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/roles"
	identityservices "github.com/gophercloud/gophercloud/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/openstack/objectstorage/v1/accounts"
	"github.com/gophercloud/gophercloud/openstack/objectstorage/v1/containers"
	"github.com/gophercloud/gophercloud/openstack/objectstorage/v1/objects"
	"github.com/gophercloud/gophercloud/pagination"
)

var tag = os.Getenv("TAG")
var region = gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(holds bool, told ...interface{}) {
	if !holds {
		panic(fmt.Sprint(told...))
	}
}

func login(options gophercloud.AuthOptions) *gophercloud.ProviderClient {
	options.IdentityEndpoint = os.Getenv("OS_AUTH_URL")
	provider, err := openstack.AuthenticatedClient(options)
	must(err)
	return provider
}

func admin() *gophercloud.ProviderClient {
	return login(gophercloud.AuthOptions{
		Username:    os.Getenv("OS_USERNAME"),
		Password:    os.Getenv("OS_PASSWORD"),
		DomainName:  "Default",
		Scope:       &gophercloud.AuthScope{ProjectName: os.Getenv("OS_PROJECT_NAME"), DomainName: "Default"},
		AllowReauth: true,
	})
}

func identityOf(provider *gophercloud.ProviderClient) *gophercloud.ServiceClient {
	client, err := openstack.NewIdentityV3(provider, region)
	must(err)
	return client
}

func ownToken(client *gophercloud.ServiceClient) (*tokens.User, *tokens.Project) {
	result := tokens.Get(client, client.Token())
	user, err := result.ExtractUser()
	must(err)
	project, err := result.ExtractProject()
	must(err)
	return user, project
}

// Every way to log in: by names, by ids, to a domain, to the system, by a token, by an application credential.
func auth() {
	client := identityOf(admin())
	user, project := ownToken(client)
	expect(user.Name == os.Getenv("OS_USERNAME") && project.Name == os.Getenv("OS_PROJECT_NAME"), user, project)
	password := os.Getenv("OS_PASSWORD")
	login(gophercloud.AuthOptions{UserID: user.ID, Password: password, TenantID: project.ID})
	login(gophercloud.AuthOptions{UserID: user.ID, Password: password, Scope: &gophercloud.AuthScope{DomainName: "Default"}})
	login(gophercloud.AuthOptions{UserID: user.ID, Password: password, Scope: &gophercloud.AuthScope{System: true}})
	login(gophercloud.AuthOptions{TokenID: client.Token(), TenantID: project.ID})
	made, err := applicationcredentials.Create(client, user.ID, applicationcredentials.CreateOpts{
		Name: "go-" + tag,
		AccessRules: []applicationcredentials.AccessRule{
			{Path: "/v3/users/*", Method: "GET", Service: "identity"},
		},
	}).Extract()
	must(err)
	robot := identityOf(login(gophercloud.AuthOptions{ApplicationCredentialID: made.ID, ApplicationCredentialSecret: made.Secret}))
	_, err = users.Get(robot, user.ID).Extract()
	must(err)
	err = projects.List(robot, nil).EachPage(func(pagination.Page) (bool, error) { return false, nil })
	_, isForbidden := err.(gophercloud.ErrDefault403)
	expect(isForbidden, "an access rule was not heeded: ", err)
	pages, err := applicationcredentials.List(client, user.ID, nil).AllPages()
	must(err)
	all, err := applicationcredentials.ExtractApplicationCredentials(pages)
	must(err)
	expect(len(all) == 1 && all[0].AccessRules[0].Path == "/v3/users/*", all)
	must(applicationcredentials.Delete(client, user.ID, made.ID).ExtractErr())
	valid, err := tokens.Validate(client, robot.Token())
	must(err)
	expect(!valid, "its token outlived an application credential")
	must(tokens.Revoke(client, client.Token()).Err)
	// AllowReauth: the client logs in again.
	_, err = users.Get(client, user.ID).Extract()
	must(err)
}

func identity() {
	client := identityOf(admin())
	domain, err := domains.Create(client, domains.CreateOpts{Name: "d-" + tag}).Extract()
	must(err)
	project, err := projects.Create(client, projects.CreateOpts{Name: "p-" + tag, DomainID: domain.ID, Tags: []string{"red"}}).Extract()
	must(err)
	found, err := projects.List(client, projects.ListOpts{DomainID: domain.ID, Tags: "red"}).AllPages()
	must(err)
	listed, err := projects.ExtractProjects(found)
	must(err)
	expect(len(listed) == 1 && listed[0].ID == project.ID, listed)
	user, err := users.Create(client, users.CreateOpts{
		Name: "u-" + tag, DomainID: domain.ID, Password: "secret",
		Options: map[users.Option]interface{}{users.IgnorePasswordExpiry: true},
		Extra:   map[string]interface{}{"email": "u@example.org"},
	}).Extract()
	must(err)
	expect(user.Extra["email"] == "u@example.org" && user.Options["ignore_password_expiry"] == true, user)
	disabled := false
	_, err = users.Update(client, user.ID, users.UpdateOpts{Enabled: &disabled}).Extract()
	must(err)
	enabled := true
	_, err = users.Update(client, user.ID, users.UpdateOpts{Enabled: &enabled}).Extract()
	must(err)
	must(users.ChangePassword(client, user.ID, users.ChangePasswordOpts{OriginalPassword: "secret", Password: "other"}).ExtractErr())
	group, err := groups.Create(client, groups.CreateOpts{Name: "g-" + tag, DomainID: domain.ID}).Extract()
	must(err)
	must(users.AddToGroup(client, group.ID, user.ID).ExtractErr())
	isMember, err := users.IsMemberOfGroup(client, group.ID, user.ID).Extract()
	must(err)
	expect(isMember, "not in the group")
	role, err := roles.Create(client, roles.CreateOpts{Name: "r-" + tag}).Extract()
	must(err)
	must(roles.Assign(client, role.ID, roles.AssignOpts{GroupID: group.ID, ProjectID: project.ID}).ExtractErr())
	yes := true
	pages, err := roles.ListAssignments(client, roles.ListAssignmentsOpts{UserID: user.ID, Effective: &yes}).AllPages()
	must(err)
	assignments, err := roles.ExtractRoleAssignments(pages)
	must(err)
	expect(len(assignments) == 1 && assignments[0].Scope.Project.ID == project.ID, assignments)
	own := login(gophercloud.AuthOptions{UserID: user.ID, Password: "other", TenantID: project.ID})
	expect(own.Token() != "", "no token")
	key, err := credentials.Create(client, credentials.CreateOpts{
		Blob: `{"access":"a` + tag + `","secret":"s"}`, Type: "ec2", UserID: user.ID, ProjectID: project.ID,
	}).Extract()
	must(err)
	must(credentials.Delete(client, key.ID).ExtractErr())
	service, err := identityservices.Create(client, identityservices.CreateOpts{Type: "t-" + tag, Extra: map[string]interface{}{"name": tag}}).Extract()
	must(err)
	place, err := regions.Create(client, regions.CreateOpts{ID: "R-" + tag}).Extract()
	must(err)
	_, err = endpoints.Create(client, endpoints.CreateOpts{
		Availability: gophercloud.AvailabilityPublic, Name: "n", Region: place.ID, URL: "http://h", ServiceID: service.ID,
	}).Extract()
	must(err)
	must(identityservices.Delete(client, service.ID).ExtractErr())
	must(regions.Delete(client, place.ID).ExtractErr())
	must(roles.Delete(client, role.ID).ExtractErr())
	_, err = domains.Update(client, domain.ID, domains.UpdateOpts{Enabled: &disabled}).Extract()
	must(err)
	must(domains.Delete(client, domain.ID).ExtractErr())
	_, err = users.Get(client, user.ID).Extract()
	_, isGone := err.(gophercloud.ErrDefault404)
	expect(isGone, "a user outlived its domain: ", err)
}

func objectstorage() {
	client, err := openstack.NewObjectStorageV1(admin(), region)
	must(err)
	_, err = accounts.Update(client, accounts.UpdateOpts{Metadata: map[string]string{"Colour": "blue"}}).Extract()
	must(err)
	_, err = containers.Create(client, tag, containers.CreateOpts{Metadata: map[string]string{"Kind": "go"}}).Extract()
	must(err)
	meta, err := containers.Get(client, tag, nil).ExtractMetadata()
	must(err)
	expect(meta["Kind"] == "go", meta)
	data := bytes.Repeat([]byte("needletail"), 20_000)
	for _, name := range []string{"a", "folder/b", "sp ace ü"} {
		_, err = objects.Create(client, tag, name, objects.CreateOpts{Content: bytes.NewReader(data), ContentType: "text/plain"}).Extract()
		must(err)
	}
	got := objects.Download(client, tag, "folder/b", nil)
	body, err := got.ExtractContent()
	must(err)
	expect(bytes.Equal(body, data), "downloaded bytes differ")
	_, err = objects.Copy(client, tag, "a", objects.CopyOpts{Destination: tag + "/copy"}).Extract()
	must(err)
	pages, err := objects.List(client, tag, objects.ListOpts{Full: true, Delimiter: "/"}).AllPages()
	must(err)
	names, err := objects.ExtractInfo(pages)
	must(err)
	expect(len(names) == 4, names)
	done, err := objects.BulkDelete(client, tag, []string{"a", "copy", "folder/b", "sp ace ü", "nothing"}).Extract()
	must(err)
	expect(done.NumberDeleted == 4 && done.NumberNotFound == 1, *done)
	must(containers.Delete(client, tag).Err)
}

func until(what string, holds func() bool) {
	for i := 0; i < 240; i++ {
		if holds() {
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	panic("never: " + what)
}

func blockstorage() {
	provider := admin()
	client, err := openstack.NewBlockStorageV3(provider, region)
	must(err)
	_, project := ownToken(identityOf(provider))
	statusOf := func(id string) string {
		volume, err := volumes.Get(client, id).Extract()
		if err != nil {
			return err.Error()
		}
		return volume.Status
	}
	available := func(id string) { until("available", func() bool { return statusOf(id) == "available" }) }
	kind, err := volumetypes.Create(client, volumetypes.CreateOpts{Name: "t-" + tag, ExtraSpecs: map[string]string{"a": "b"}}).Extract()
	must(err)
	volume, err := volumes.Create(client, volumes.CreateOpts{Name: "v-" + tag, Size: 1, Metadata: map[string]string{"k": "v"}}).Extract()
	must(err)
	available(volume.ID)
	must(volumeactions.ExtendSize(client, volume.ID, volumeactions.ExtendSizeOpts{NewSize: 2}).ExtractErr())
	available(volume.ID)
	snapshot, err := snapshots.Create(client, snapshots.CreateOpts{VolumeID: volume.ID, Name: "s-" + tag}).Extract()
	must(err)
	until("a snapshot", func() bool {
		now, err := snapshots.Get(client, snapshot.ID).Extract()
		return err == nil && now.Status == "available"
	})
	second, err := volumes.Create(client, volumes.CreateOpts{SnapshotID: snapshot.ID, Name: "w-" + tag}).Extract()
	must(err)
	available(second.ID)
	client.Microversion = "3.44"
	attachment, err := attachments.Create(client, attachments.CreateOpts{VolumeUUID: second.ID, InstanceUUID: "0f2ab7dc-b5f4-4a6e-8a8e-6d5d4a7e8f10"}).Extract()
	must(err)
	pages, err := attachments.List(client, attachments.ListOpts{VolumeID: second.ID}).AllPages()
	must(err)
	attached, err := attachments.ExtractAttachments(pages)
	must(err)
	expect(len(attached) == 1 && attached[0].ID == attachment.ID, attached)
	must(attachments.Delete(client, attachment.ID).ExtractErr())
	available(second.ID)
	client.Microversion = "3.43"
	backup, err := backups.Create(client, backups.CreateOpts{VolumeID: volume.ID, Name: "b-" + tag, Metadata: map[string]string{"x": "y"}}).Extract()
	must(err)
	until("a backup", func() bool {
		now, err := backups.Get(client, backup.ID).Extract()
		return err == nil && now.Status == "available"
	})
	restored, err := backups.RestoreFromBackup(client, backup.ID, backups.RestoreOpts{Name: "x-" + tag}).Extract()
	must(err)
	available(restored.VolumeID)
	usage, err := quotasets.GetUsage(client, project.ID).Extract()
	must(err)
	expect(usage.Volumes.InUse >= 3 && usage.Snapshots.InUse >= 1, usage)
	limit := 50
	_, err = quotasets.Update(client, project.ID, quotasets.UpdateOpts{Volumes: &limit}).Extract()
	must(err)
	running, err := services.List(client, nil).AllPages()
	must(err)
	hosts, err := services.ExtractServices(running)
	must(err)
	expect(len(hosts) > 0, "no services")
	must(backups.Delete(client, backup.ID).ExtractErr())
	for _, id := range []string{second.ID, restored.VolumeID} {
		must(volumes.Delete(client, id, nil).ExtractErr())
	}
	must(snapshots.Delete(client, snapshot.ID).ExtractErr())
	until("the snapshot gone", func() bool { return snapshots.Get(client, snapshot.ID).Err != nil })
	must(volumes.Delete(client, volume.ID, volumes.DeleteOpts{}).ExtractErr())
	found, err := volumes.List(client, volumes.ListOpts{Name: "v-" + tag}).AllPages()
	must(err)
	_, err = volumes.ExtractVolumes(found)
	must(err)
	until("the volume gone", func() bool { return volumes.Get(client, volume.ID).Err != nil })
	must(volumetypes.Delete(client, kind.ID).ExtractErr())
}

func main() {
	steps := map[string]func(){"auth": auth, "identity": identity, "objectstorage": objectstorage, "blockstorage": blockstorage}
	steps[os.Args[1]]()
}
