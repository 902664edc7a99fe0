package kafkabus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// replaceTimeout is less than what replacing a predecessor spares: the rest of its
// session.
const replaceTimeout = 2 * time.Second

// clientName is how brokers know this process: with its instance where it has one.
func (c *Client) clientName() string {
	if c.cfg.Instance == "" {
		return clientID
	}
	return clientID + "@" + c.cfg.Instance
}

// replacePredecessor removes the members that this process's predecessor left in
// the group. One that was killed could not leave: the others, and this process
// with them, would wait for it until its session ends. What fails here ends with
// that session.
func (k *consumer) replacePredecessor(ctx context.Context) {
	if k.client.cfg.Instance == "" {
		return
	}
	// Once for a group: afterwards members of that name are of this process.
	once, _ := k.client.replaced.LoadOrStore(k.opts.Group, new(sync.Once))
	once.(*sync.Once).Do(func() {
		asking, cancel := context.WithTimeout(ctx, replaceTimeout)
		defer cancel()
		dead, err := k.predecessors(asking)
		if err == nil && len(dead) > 0 {
			k.log.Info("a predecessor died as a member of the group: taking its place", "members", len(dead))
			err = k.remove(asking, dead)
		}
		if err != nil && ctx.Err() == nil {
			k.log.Info("whether a predecessor is left in the group is not known; if one is, its session must end first", "error", err)
		}
	})
}

// remove makes members leave the group. One that has left meanwhile is no error.
func (k *consumer) remove(ctx context.Context, members []kafka.LeaveGroupRequestMember) error {
	res, err := k.client.kafka.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: k.opts.Group, Members: members})
	if err != nil {
		return err
	}
	errs := []error{res.Error}
	for i := range res.Members {
		if err := res.Members[i].Error; !errors.Is(err, kafka.UnknownMemberId) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// predecessors lists the group's members that carry our name.
func (k *consumer) predecessors(ctx context.Context) (members []kafka.LeaveGroupRequestMember, err error) {
	res, err := k.client.kafka.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{k.opts.Group}})
	if err != nil {
		return nil, err
	}
	for _, g := range res.Groups {
		if g.Error != nil {
			return nil, g.Error
		}
		for i := range g.Members {
			if m := &g.Members[i]; m.ClientID == k.client.clientName() {
				members = append(members, kafka.LeaveGroupRequestMember{ID: m.MemberID})
			}
		}
	}
	return members, nil
}
