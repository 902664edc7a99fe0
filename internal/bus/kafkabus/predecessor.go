package kafkabus

import (
	"context"

	"github.com/segmentio/kafka-go"
)

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
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	dead, err := k.predecessors(ctx)
	if err == nil && len(dead) > 0 {
		k.log.Info("a predecessor died as a member of the group: taking its place", "members", len(dead))
		_, err = k.client.kafka.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: k.opts.Group, Members: dead})
	}
	if err != nil && ctx.Err() == nil {
		k.log.Warn("a predecessor's place cannot be taken; its session must end first", "error", err)
	}
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
